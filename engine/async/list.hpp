// An intrusive doubly linked list whose hooks unlink themselves when they die.
#pragma once

#include <cstddef>

#include "engine/base/assert.hpp"

namespace scoutfs {

// Base of whatever hangs in a List. In at most one list at a time for each Tag.
template <class Tag>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <class T, class U>
  friend class List;
  ListHook* prev_ = nullptr;
  ListHook* next_ = nullptr;
};

// Elements are borrowed; they outlive their membership or end it by dying.
template <class T, class Tag>
class List {
 public:
  List() { head_.prev_ = head_.next_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (!empty()) head_.next_->unlink();
    head_.prev_ = head_.next_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T& front() {
    SCOUTFS_ASSERT(!empty());
    return static_cast<T&>(*head_.next_);
  }
  T& back() {
    SCOUTFS_ASSERT(!empty());
    return static_cast<T&>(*head_.prev_);
  }
  void push_back(T& element) {
    ListHook<Tag>& hook = element;
    SCOUTFS_ASSERT(!hook.linked());
    hook.prev_ = head_.prev_;
    hook.next_ = &head_;
    head_.prev_->next_ = &hook;
    head_.prev_ = &hook;
  }

 private:
  ListHook<Tag> head_;
};

}  // namespace scoutfs
