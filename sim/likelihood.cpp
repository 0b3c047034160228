#include "sim/likelihood.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <utility>

#include "engine/base/codec.hpp"
#include "sim/random.hpp"
#include "sim/verdict_codec.hpp"

namespace scoutfs::sim {

namespace {

// Is asked at every step of the world, and told nothing else.
class Steps final : public Observer {
 public:
  explicit Steps(std::function<void(std::uint64_t step, TimeNs now_ns)> at_step)
      : at_step_(std::move(at_step)) {}
  void leads(TimeNs now_ns, std::optional<unsigned>) override { at_step_(++steps_, now_ns); }

 private:
  std::function<void(std::uint64_t, TimeNs)> at_step_;
  std::uint64_t steps_ = 0;
};

// What a process of this file tells the one above it.
struct Told {
  std::uint64_t point = 0;  // of the future; kTrunk: of the seed's own run
  std::uint64_t steps = 0;
  TimeNs at_ns = 0;
  Verdict verdict;
};
constexpr std::uint64_t kTrunk = ~0ULL;

// The end of the pipe that this process tells into, and what it will tell if it breaks.
int above = -1;
Told mine;

void tell() {
  const std::string verdict = encode(mine.verdict);
  std::string frame;
  Writer out(frame);
  out.put(mine.point);
  out.put(mine.steps);
  out.put(mine.at_ns);
  out.put(static_cast<std::uint64_t>(verdict.size()));
  out.put_raw(verdict);
  std::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t written = ::write(above, rest.data(), rest.size());
    if (written <= 0) ::_exit(1);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void on_assertion(const char*, std::source_location) {
  mine.verdict.passed = false;
  mine.verdict.oracle = "assertion";
  tell();
  ::_exit(0);
}

std::optional<Told> heard(std::string_view frame) {
  Reader in(frame);
  Told told;
  told.point = in.get<std::uint64_t>();
  told.steps = in.get<std::uint64_t>();
  told.at_ns = in.get<std::uint64_t>();
  const auto size = in.get<std::uint64_t>();
  if (!in.good() || frame.size() != in.position() + size) return std::nullopt;
  const Result<Verdict> verdict = decode_verdict(in.rest());
  if (!verdict.has_value()) return std::nullopt;
  told.verdict = *verdict;
  return told;
}

// A process that tells one thing, or dies without a word.
struct Child {
  pid_t pid = -1;
  int fd = -1;

  // In the child it returns as well, with pid 0.
  static Child start(unsigned seconds) {
    int ends[2];
    Child child;
    if (::pipe(ends) != 0) return child;
    child.pid = ::fork();
    if (child.pid == 0) {
      ::close(ends[0]);
      above = ends[1];
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      set_assert_handler(on_assertion);
      ::alarm(seconds);
      return child;
    }
    ::close(ends[1]);
    child.fd = ends[0];
    return child;
  }
  std::optional<Told> wait() const {
    std::string frame;
    char buffer[4096];
    ssize_t size = 0;
    while ((size = ::read(fd, buffer, sizeof buffer)) > 0 || (size < 0 && errno == EINTR)) {
      if (size > 0) frame.append(buffer, static_cast<std::size_t>(size));
    }
    ::close(fd);
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    return heard(frame);
  }
};

// The seed's own run: how many steps it has and how it ends.
Told run_trunk(const RunConfig& config, unsigned seconds) {
  const Child child = Child::start(seconds);
  if (child.pid == 0) {
    mine = {.point = kTrunk, .steps = 0, .at_ns = 0, .verdict = {}};
    Steps steps([](std::uint64_t step, TimeNs now_ns) {
      mine.steps = step;
      mine.at_ns = now_ns;
    });
    mine.verdict = run_seed(config, {}, kForever, &steps);
    tell();
    ::_exit(0);
  }
  const std::optional<Told> told = child.wait();
  if (told.has_value()) return *told;
  Told broken;
  broken.verdict.oracle = "process";
  return broken;
}

// The seed's run once more, forked at each point into its futures.
class Futures {
 public:
  Futures(const RunConfig& config, const LikelihoodOptions& options, const Told& trunk,
          std::vector<LikelihoodPoint>& points)
      : config_(config), options_(options), trunk_(trunk), points_(points) {}

  void run() {
    Steps steps([this](std::uint64_t step, TimeNs now_ns) { at_step(step, now_ns); });
    try {
      const Verdict verdict = run_seed(config_, {}, kForever, &steps);
      if (in_future_) {
        mine.verdict = verdict;
        tell();
        ::_exit(0);
      }
    } catch (const Enough&) {
      // The rest of the seed's own run is known, and may break this process.
    }
    while (!running_.empty()) finish_one();
  }

 private:
  struct Enough {};

  std::uint64_t step_of(std::size_t point) const {
    return 1 + (trunk_.steps - 1) * point / points_.size();
  }

  void at_step(std::uint64_t step, TimeNs now_ns) {
    if (in_future_) return;
    if (next_ == points_.size()) throw Enough{};
    if (step < step_of(next_)) return;
    const std::size_t point = next_++;
    points_[point].at_ns = now_ns;
    for (unsigned i = 0; i < options_.futures; ++i) {
      while (running_.size() >= std::max(1U, options_.jobs)) finish_one();
      const Child child = Child::start(options_.seconds_each);
      if (child.pid == 0) {
        in_future_ = true;
        running_.clear();  // they are the parent's
        mine = {.point = point, .steps = step, .at_ns = now_ns, .verdict = {}};
        SimRandom::reseed_all(mix(config_.seed, point + 1, i + 1) | 1);
        return;
      }
      running_.emplace_back(point, child);
    }
  }

  void finish_one() {
    const auto [number, child] = running_.front();
    running_.erase(running_.begin());
    const std::optional<Told> told = child.wait();
    LikelihoodPoint& point = points_[number];
    ++point.futures;
    if (told.has_value() && told->verdict.passed) return;
    ++point.failed;
    const std::string oracle = told.has_value() ? told->verdict.oracle : "process";
    if (oracle == trunk_.verdict.oracle) ++point.same;
  }

  const RunConfig& config_;
  const LikelihoodOptions& options_;
  const Told& trunk_;
  std::vector<LikelihoodPoint>& points_;
  std::vector<std::pair<std::size_t, Child>> running_;
  std::size_t next_ = 0;
  bool in_future_ = false;
};

// Of the futures, those that fail as the seed did.
double share(const LikelihoodPoint& point) {
  return point.futures == 0 ? 0 : static_cast<double>(point.same) / point.futures;
}

}  // namespace

Likelihood likelihood_of(const RunConfig& config, const LikelihoodOptions& options) {
  const Told trunk = run_trunk(config, options.seconds_each);
  Likelihood likelihood;
  likelihood.end_ns = trunk.at_ns;
  if (!trunk.verdict.passed) likelihood.oracle = trunk.verdict.oracle;
  if (trunk.steps == 0) return likelihood;
  likelihood.points.resize(std::min<std::uint64_t>(options.points, trunk.steps));
  Futures(config, options, trunk, likelihood.points).run();
  return likelihood;
}

std::optional<std::size_t> steepest(const Likelihood& likelihood) {
  std::optional<std::size_t> best;
  double most = 0;
  for (std::size_t i = 1; i < likelihood.points.size(); ++i) {
    const double growth = share(likelihood.points[i]) - share(likelihood.points[i - 1]);
    if (growth <= most) continue;
    most = growth;
    best = i;
  }
  return best;
}

std::optional<std::size_t> inevitable(const Likelihood& likelihood) {
  std::optional<std::size_t> first;
  for (std::size_t i = likelihood.points.size(); i-- > 0;) {
    if (share(likelihood.points[i]) < 1) break;
    first = i;
  }
  return first;
}

}  // namespace scoutfs::sim
