// Xattrs: the parts of one inode's extended attributes.
#pragma once

#include <string>

#include "engine/check/problems.hpp"

namespace scoutfs::check {

class Xattrs {
 public:
  explicit Xattrs(Problems& problems) : problems_(problems) {}

  // `deleting`: the inode is being deleted, in several transactions, and the first parts of an
  // attribute may be gone already.
  void begin(Ino ino, bool deleting);
  void add(std::string_view name, std::uint8_t part, std::string_view value);
  void end(std::uint32_t xattr_count);

 private:
  void end_of_name();
  void bad(std::string_view what);

  Problems& problems_;
  Ino ino_;
  bool deleting_ = false;
  std::string name_;
  std::uint8_t parts_ = 0;   // of name_; 0: unknown
  std::uint8_t next_ = 0;    // the part that must follow
  std::size_t size_ = 0;     // of the value so far
  std::uint32_t count_ = 0;  // of first parts
};

}  // namespace scoutfs::check
