#include "sim/fault_ledger.hpp"

namespace scoutfs::sim {

void FaultLedger::injected(const std::string& kind, std::vector<Symptom> symptoms,
                           TimeNs until_ns) {
  ++injected_[kind];
  noticed_.try_emplace(kind, 0);
  if (!symptoms.empty()) unnoticed_.push_back({kind, std::move(symptoms), until_ns});
}

void FaultLedger::seen(const Symptom& symptom) {
  if (unnoticed_.empty()) return;
  const TimeNs now_ns = events_.now_ns();
  std::erase_if(unnoticed_, [&](const Fault& fault) {
    if (fault.until_ns < now_ns) return true;
    if (std::ranges::find(fault.symptoms, symptom) == fault.symptoms.end()) return false;
    ++noticed_[fault.kind];
    return true;
  });
}

}  // namespace scoutfs::sim
