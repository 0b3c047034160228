// Task<T>: a lazily started coroutine with exactly one awaiter.
//
// Lifetime. Calling a coroutine only builds its frame; the body runs when the Task is awaited,
// and the awaiting frame stays suspended until it is done. A pointer, reference or span
// parameter is therefore valid for the whole body if the Task is awaited in the full expression
// that made it. What outlives that expression takes its arguments by value and lives in a
// TaskScope.
//
// Errors. Engine coroutines do not throw; an escaping exception terminates.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "engine/base/assert.hpp"

namespace scoutfs {

template <class T>
class Task;

namespace detail {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SCOUTFS_POOL_FRAMES 0
#endif
#endif
#ifndef SCOUTFS_POOL_FRAMES
#define SCOUTFS_POOL_FRAMES 1
#endif

// Free lists of coroutine frames by size class. Off under AddressSanitizer, which could not see
// a use after free in a frame that is taken again.
class FramePool {
 public:
  static void* take(std::size_t size) {
    const std::size_t index = class_of(size);
    if (!SCOUTFS_POOL_FRAMES || index >= kClasses) return ::operator new(size);
    Node*& head = heads()[index];
    if (head == nullptr) return ::operator new((index + 1) * kGranule);
    return std::exchange(head, head->next);
  }
  static void give(void* frame, std::size_t size) noexcept {
    const std::size_t index = class_of(size);
    if (!SCOUTFS_POOL_FRAMES || index >= kClasses) return ::operator delete(frame);
    Node*& head = heads()[index];
    head = ::new (frame) Node{head};
  }

 private:
  struct Node {
    Node* next;
  };
  static constexpr std::size_t kGranule = 64;  // bytes
  static constexpr std::size_t kClasses = 32;  // larger frames come from the heap

  static std::size_t class_of(std::size_t size) { return (size - 1) / kGranule; }
  static std::array<Node*, kClasses>& heads() {
    thread_local constinit std::array<Node*, kClasses> lists{};
    return lists;
  }
};

struct PooledFrame {
  static void* operator new(std::size_t size) { return FramePool::take(size); }
  static void operator delete(void* frame, std::size_t size) noexcept {
    FramePool::give(frame, size);
  }
};

struct PromiseBase : PooledFrame {
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().continuation;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  std::coroutine_handle<> continuation = std::noop_coroutine();
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object() noexcept;
  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& from) {
    value.emplace(std::forward<U>(from));
  }
  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard, clang::coro_return_type, clang::coro_lifetimebound]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Requires: not moved from, and not awaited before.
  auto operator co_await() && noexcept {
    SCOUTFS_ASSERT(handle_ && !handle_.done());
    return Awaiter(handle_);
  }

 private:
  class Awaiter {
   public:
    explicit Awaiter(Handle child) noexcept : child_(child) {}
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept {
      child_.promise().continuation = parent;
      return child_;
    }
    // nodiscard turns a forgotten Result into a compile error.
    [[nodiscard]] T await_resume() const
      requires(!std::is_void_v<T>)
    {
      return *std::move(child_.promise().value);
    }
    void await_resume() const
      requires std::is_void_v<T>
    {}

   private:
    Handle child_;
  };

  Handle handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace scoutfs
