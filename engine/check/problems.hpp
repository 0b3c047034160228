// Problems: where the parts of the checker report what they find.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "engine/check/check.hpp"

namespace scoutfs::check {

class Problems {
 public:
  Problems(Report& report, std::size_t problems_max)
      : report_(report), problems_max_(problems_max) {}

  // Counts every problem, and keeps the first `problems_max`.
  template <class... Args>
  void add(std::string_view kind, fmt::format_string<Args...> format, Args&&... args) {
    ++report_.problem_count;
    if (report_.problems.size() >= problems_max_) return;
    report_.problems.push_back(
        {std::string(kind), fmt::format(format, std::forward<Args>(args)...)});
  }

 private:
  Report& report_;
  std::size_t problems_max_;
};

}  // namespace scoutfs::check
