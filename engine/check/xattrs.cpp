#include "engine/check/xattrs.hpp"

#include "engine/check/print.hpp"
#include "engine/format/inode.hpp"

namespace scoutfs::check {

void Xattrs::begin(Ino ino, bool deleting) {
  ino_ = ino;
  deleting_ = deleting;
  name_.clear();
  parts_ = next_ = 0;
  count_ = 0;
}

void Xattrs::bad(std::string_view what) {
  if (deleting_) return;
  problems_.add("xattr-parts", "inode {}, attribute {}: {}", ino_.value, quoted(name_), what);
}

void Xattrs::end_of_name() {
  if (next_ != parts_) bad("its last parts are missing");
  if (size_ > format::kXattrValueMax) bad("its value is too long");
}

void Xattrs::add(std::string_view name, std::uint8_t part, std::string_view value) {
  if (name != name_) {
    if (!name_.empty()) end_of_name();
    name_ = name;
    parts_ = next_ = 0;
    size_ = 0;
  }
  if (part != next_) {
    bad(fmt::format("part {} follows where part {} is due", part, next_));
    parts_ = next_ = static_cast<std::uint8_t>(part + 1);
    return;
  }
  if (part == 0) {
    ++count_;
    parts_ = value.empty() ? 0 : static_cast<std::uint8_t>(value.front());
    value = value.substr(value.empty() ? 0 : 1);
    if (parts_ == 0) bad("part 0 does not say how many there are");
  }
  ++next_;
  if (next_ > parts_) bad(fmt::format("it has more than its {} parts", parts_));
  const bool last = next_ >= parts_;
  if (!last && value.size() != format::kXattrPart)
    bad(fmt::format("part {} is not full", part));
  if (last && value.size() > format::kXattrPart) bad(fmt::format("part {} is too long", part));
  size_ += value.size();
}

void Xattrs::end(std::uint32_t xattr_count) {
  if (!name_.empty()) end_of_name();
  if (count_ == xattr_count) return;
  problems_.add("xattr-count", "inode {}: {} attributes, the inode says {}", ino_.value, count_,
                xattr_count);
}

}  // namespace scoutfs::check
