// Assertions: programmer errors stop the process, in every build.
//
// An assertion states what the author believes to be impossible. What may happen in operation
// (a failed read, a full disk, a peer that speaks garbage) is an Error value and is never
// asserted on.
#pragma once

#include <source_location>

namespace scoutfs {

[[noreturn]] void assert_failed(const char* expression, std::source_location where);

// Called instead of abort() when set; the simulator uses it to print the failing seed first.
// The handler may return: the process aborts all the same.
using AssertHandler = void (*)(const char* expression, std::source_location where);
void set_assert_handler(AssertHandler handler);

}  // namespace scoutfs

// Evaluates `condition` exactly once. One condition an assertion, so that the message names it.
#define SCOUTFS_ASSERT(condition)     \
  ((condition) ? static_cast<void>(0) \
               : ::scoutfs::assert_failed(#condition, ::std::source_location::current()))

// Documents that `condition` is true in some runs and false in others.
#define SCOUTFS_MAYBE(condition) static_cast<void>(sizeof((condition) ? 1 : 0))
