// A list whose links live in its members: O(1) to add, to take out and to find the oldest, no allocation. The member
// must leave the list before it dies. One member may be in several lists, one for each Tag.
#pragma once

#include "base/check.hpp"

namespace clawql::door {

template <class Tag>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { CLAWQL_CHECK(!linked_); }
  bool linked() const { return linked_; }

 private:
  template <class T, class OtherTag>
  friend class IntrusiveList;
  ListHook* previous_ = nullptr;
  ListHook* next_ = nullptr;
  bool linked_ = false;
};

template <class T, class Tag>
class IntrusiveList {
 public:
  bool empty() const { return first_ == nullptr; }
  T* front() const { return static_cast<T*>(first_); }

  void push_back(T& member) {
    ListHook<Tag>& hook = member;
    CLAWQL_CHECK(!hook.linked_);
    hook.linked_ = true;
    hook.previous_ = last_;
    hook.next_ = nullptr;
    (last_ != nullptr ? last_->next_ : first_) = &hook;
    last_ = &hook;
  }

  // Nothing happens when `member` is in no list of this tag.
  void remove(T& member) {
    ListHook<Tag>& hook = member;
    if (!hook.linked_) return;
    hook.linked_ = false;
    (hook.previous_ != nullptr ? hook.previous_->next_ : first_) = hook.next_;
    (hook.next_ != nullptr ? hook.next_->previous_ : last_) = hook.previous_;
  }

 private:
  ListHook<Tag>* first_ = nullptr;
  ListHook<Tag>* last_ = nullptr;
};

}  // namespace clawql::door
