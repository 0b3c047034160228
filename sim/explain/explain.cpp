#include "sim/explain/explain.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include "engine/base/assert.hpp"
#include "sim/explain/page.hpp"
#include "sim/explain/recorder.hpp"

namespace scoutfs::sim {

namespace {

struct Explained {
  const RunConfig& config;
  const std::function<void(const Verdict&, const std::string&)>& deliver;
  Recorder recorder;
};

// What the assertion handler, a plain function, needs.
Explained* explained = nullptr;

void on_assertion(const char* expression, std::source_location where) {
  Verdict verdict;
  verdict.seed = explained->config.seed;
  verdict.oracle = "assertion";
  verdict.what = fmt::format("{} at {}:{}", expression, where.file_name(), where.line());
  verdict.virtual_ns = explained->recorder.newest_ns();
  for (const Recording::Life& life : explained->recorder.recording().lives) {
    verdict.nodes = std::max<std::uint64_t>(verdict.nodes, life.node + 1);
  }
  explained->deliver(verdict,
                     page_of(explained->config, verdict, explained->recorder.recording()));
  ::_exit(1);
}

}  // namespace

void explain(const RunConfig& config,
             const std::function<void(const Verdict&, const std::string& page)>& deliver) {
  Explained run{.config = config, .deliver = deliver, .recorder = {}};
  explained = &run;
  set_assert_handler(on_assertion);
  const Verdict verdict = run_seed(config, {}, kForever, &run.recorder);
  set_assert_handler(nullptr);
  explained = nullptr;
  deliver(verdict, page_of(config, verdict, run.recorder.recording()));
}

}  // namespace scoutfs::sim
