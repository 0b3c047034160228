#include "sim/offline.hpp"

#include <utility>

#include "engine/async/scope.hpp"

namespace scoutfs::sim {

namespace {
template <class T>
Task<void> keep(Task<T> task, std::optional<T>* out) {
  T value = co_await std::move(task);
  out->emplace(std::move(value));
}
}  // namespace

template <class T>
T Offline::run(Task<T> task) {
  std::optional<T> out;
  TaskScope scope(scheduler_);
  scope.spawn(keep<T>(std::move(task), &out));
  scheduler_.run();
  SCOUTFS_ASSERT(out.has_value());
  return *std::move(out);
}

Result<check::Report> Offline::check() {
  return run(check::check_volume(scheduler_, device_, {}));
}

Result<void> Offline::visit_items(const check::VisitItem& visit) {
  return run(check::visit_items(scheduler_, device_, visit));
}

Result<void> Offline::visit_server_items(const check::VisitItem& visit) {
  return run(check::visit_server_items(scheduler_, device_, visit));
}

}  // namespace scoutfs::sim
