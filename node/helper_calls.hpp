// HelperCalls: work that blocks, each piece on a helper thread of its own, awaited by
// coroutines. At their end the pieces are told to stop, and waited for.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <thread>

#include "engine/async/sync.hpp"
#include "node/loop/event_loop.hpp"
#include "node/loop/helper_thread.hpp"

namespace scoutfs::node {

class HelperCalls {
 public:
  explicit HelperCalls(EventLoop& loop) : loop_(loop) {}

  // `work` runs beside the loop and gets what tells it to stop. Requires: what it refers to
  // outlives this.
  template <class T>
  Task<T> run(std::function<T(const std::stop_token&)> work) {
    std::erase_if(calls_, [](const Call& call) { return *call.done; });
    Call& call = calls_.emplace_back();
    const OneShot<T> answer(loop_.scheduler());
    call.thread = std::jthread(
        [&loop = loop_, answer, done = call.done, work](const std::stop_token& stop) {
          block_signals();
          const T result = work(stop);
          loop.post([answer, done, result] {
            *done = true;
            answer.set(result);
          });
        });
    co_return co_await answer.wait();
  }

 private:
  struct Call {
    // Outlives the call: what is posted to the loop may come later.
    std::shared_ptr<bool> done = std::make_shared<bool>(false);
    std::jthread thread;
  };

  EventLoop& loop_;
  std::list<Call> calls_;
};

}  // namespace scoutfs::node
