#include "sim/verdict_codec.hpp"

#include "engine/base/codec.hpp"

namespace scoutfs::sim {

namespace {

using Counts = std::map<std::string, std::uint64_t>;

void put_counts(Writer& out, const Counts& counts) {
  out.put_varint(counts.size());
  for (const auto& [name, count] : counts) {
    out.put_string(name);
    out.put(count);
  }
}

Counts get_counts(Reader& in) {
  Counts counts;
  const std::size_t size = in.get_count(9);
  for (std::size_t i = 0; i < size; ++i) {
    std::string name(in.get_string());
    counts[std::move(name)] = in.get<std::uint64_t>();
  }
  return counts;
}

}  // namespace

std::string encode(const Verdict& verdict) {
  std::string bytes;
  Writer out(bytes);
  for (const std::uint64_t number :
       {verdict.seed, verdict.hash.low, verdict.hash.high, verdict.virtual_ns, verdict.probe_ns,
        verdict.events, verdict.steps, verdict.operations, verdict.lost_operations,
        verdict.deaths, verdict.late_writes, verdict.messages, verdict.disk_requests,
        verdict.nodes}) {
    out.put(number);
  }
  out.put_bool(verdict.passed);
  out.put_string(verdict.oracle);
  out.put_string(verdict.what);
  put_counts(out, verdict.faults);
  put_counts(out, verdict.oracles);
  put_counts(out, verdict.answers);
  put_counts(out, verdict.noticed);
  put_counts(out, verdict.errors);
  put_counts(out, verdict.protocol);
  return bytes;
}

Result<Verdict> decode_verdict(std::string_view bytes) {
  Reader in(bytes);
  Verdict verdict;
  for (std::uint64_t* number :
       {&verdict.seed, &verdict.hash.low, &verdict.hash.high, &verdict.virtual_ns,
        &verdict.probe_ns, &verdict.events, &verdict.steps, &verdict.operations,
        &verdict.lost_operations, &verdict.deaths, &verdict.late_writes, &verdict.messages,
        &verdict.disk_requests, &verdict.nodes}) {
    *number = in.get<std::uint64_t>();
  }
  verdict.passed = in.get_bool();
  verdict.oracle = in.get_string();
  verdict.what = in.get_string();
  verdict.faults = get_counts(in);
  verdict.oracles = get_counts(in);
  verdict.answers = get_counts(in);
  verdict.noticed = get_counts(in);
  verdict.errors = get_counts(in);
  verdict.protocol = get_counts(in);
  if (!in.finished()) return fail(Errc::corrupt);
  return verdict;
}

}  // namespace scoutfs::sim
