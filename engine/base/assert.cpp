#include "engine/base/assert.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace scoutfs {

namespace {
AssertHandler g_handler = nullptr;
}

void set_assert_handler(AssertHandler handler) {
  g_handler = handler;
}

void assert_failed(const char* expression, std::source_location where) {
  fmt::print(stderr, "{}:{}: {}: assertion failed: {}\n", where.file_name(), where.line(),
             where.function_name(), expression);
  static_cast<void>(std::fflush(stderr));
  if (g_handler != nullptr) g_handler(expression, where);
  std::abort();
}

}  // namespace scoutfs
