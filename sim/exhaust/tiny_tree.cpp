#include "sim/exhaust/tiny_tree.hpp"

#include <fmt/core.h>

#include <array>
#include <string_view>
#include <utility>

#include "sim/workload.hpp"

namespace scoutfs::sim {

namespace {

constexpr std::uint64_t kBigBytes = 5'000, kSmallBytes = 100;

constexpr Ino ino_of(Role role) {
  return Ino{static_cast<std::uint64_t>(role)};
}

struct Directory {
  Role role{};
  std::string_view name;
};
constexpr std::array kDirectories = {Directory{Role::a, "a"}, Directory{Role::b, "b"}};
constexpr std::array<std::string_view, 3> kNames = {"x", "y", "z"};

struct Object {
  Role role{};
  std::string_view name;
};
constexpr std::array kFiles = {Object{Role::big_file, "a/x"}, Object{Role::small_file, "b/x"}};
constexpr std::array kObjects = {kFiles[0], kFiles[1], Object{Role::a, "a"}};

struct Place {
  Role directory{};
  std::string name;
  std::string text;
};
std::vector<Place> places() {
  std::vector<Place> all;
  for (const Directory& directory : kDirectories) {
    for (const std::string_view name : kNames) {
      all.push_back(
          {directory.role, std::string(name), fmt::format("{}/{}", directory.name, name)});
    }
  }
  return all;
}

Operation on_place(OpKind kind, const Place& place) {
  Operation op;
  op.kind = kind;
  op.ino = ino_of(place.directory);
  op.name = place.name;
  return op;
}

Operation creation(const Place& place, std::uint32_t mode) {
  Operation op = on_place(OpKind::create, place);
  op.mode = mode;
  return op;
}

void add_place_operations(std::vector<TinyOperation>& all) {
  for (const Place& place : places()) {
    all.push_back({"create " + place.text, creation(place, format::kTypeRegular | 0644)});
    all.push_back({"mkdir " + place.text, creation(place, format::kTypeDirectory | 0755)});
    Operation symlink = creation(place, format::kTypeSymlink | 0777);
    symlink.name2 = "target";
    all.push_back({"symlink " + place.text, std::move(symlink)});
    all.push_back({"unlink " + place.text, on_place(OpKind::unlink, place)});
    all.push_back({"rmdir " + place.text, on_place(OpKind::rmdir, place)});
  }
}

void add_pair_operations(std::vector<TinyOperation>& all) {
  for (const Place& from : places()) {
    for (const Place& to : places()) {
      Operation op = on_place(OpKind::rename, from);
      op.other = ino_of(to.directory);
      op.name2 = to.name;
      all.push_back({fmt::format("rename {} {}", from.text, to.text), std::move(op)});
    }
  }
  for (const Object& file : kFiles) {
    for (const Place& to : places()) {
      Operation op;
      op.kind = OpKind::link;
      op.ino = ino_of(file.role);
      op.other = ino_of(to.directory);
      op.name = to.name;
      all.push_back({fmt::format("link {} {}", file.name, to.text), std::move(op)});
    }
  }
}

struct ContentKind {
  std::string_view text;
  OpKind kind{};
  std::uint64_t offset = 0, length = 0;  // bytes
};
constexpr std::array kContentKinds = {
    ContentKind{"overwrite", OpKind::write, 10, 60},
    ContentKind{"append to", OpKind::append, 0, 300},
    ContentKind{"write beyond", OpKind::write, 3 * kBlockSize, 50},
    ContentKind{"empty", OpKind::truncate, 0, 0},
    ContentKind{"shorten", OpKind::truncate, 0, 50},
    ContentKind{"lengthen", OpKind::truncate, 0, 9'000},
    ContentKind{"punch", OpKind::punch, 20, 4'090},
    ContentKind{"allocate for", OpKind::allocate, kBlockSize, kBlockSize + 7},
    ContentKind{"read", OpKind::read, 0, 10'000},
    ContentKind{"open", OpKind::open, 0, 0},
};

void add_content_operations(std::vector<TinyOperation>& all) {
  for (const Object& file : kFiles) {
    for (const ContentKind& kind : kContentKinds) {
      Operation op;
      op.kind = kind.kind;
      op.ino = ino_of(file.role);
      op.offset = kind.offset;
      op.length = kind.length;
      if (kind.kind == OpKind::write || kind.kind == OpKind::append) {
        op.length = 0;
        op.data = stamped_data(kind.length, all.size() + 1);
      }
      all.push_back({fmt::format("{} {}", kind.text, file.name), std::move(op)});
    }
  }
}

void add_attribute_operations(std::vector<TinyOperation>& all) {
  for (const Object& object : kObjects) {
    Operation op;
    op.ino = ino_of(object.role);
    op.kind = OpKind::set_mode;
    op.mode = 0751;
    all.push_back({fmt::format("chmod {}", object.name), op});
    op.mode = 0;
    op.kind = OpKind::set_xattr;
    op.name = "user.new";
    op.data = "value";
    all.push_back({fmt::format("set attribute of {}", object.name), op});
    op.name = "user.old";
    op.data = "another value";
    op.how = fs::SetXattr::replace_only;
    all.push_back({fmt::format("replace attribute of {}", object.name), op});
    op.data.clear();
    op.how = fs::SetXattr::any;
    op.kind = OpKind::remove_xattr;
    all.push_back({fmt::format("remove attribute of {}", object.name), op});
  }
}

TinyStep made_in(Ino directory, std::string name, std::uint32_t mode, Role role) {
  Operation op;
  op.kind = OpKind::create;
  op.ino = directory;
  op.name = std::move(name);
  op.mode = mode;
  return {role, op};
}

TinyStep written(Role file, std::uint64_t size) {
  Operation op;
  op.kind = OpKind::write;
  op.ino = ino_of(file);
  op.data = stamped_data(size, size);
  return {file, op};
}

}  // namespace

std::vector<TinyStep> tiny_tree() {
  constexpr std::uint32_t kFile = format::kTypeRegular | 0644;
  constexpr std::uint32_t kDirectory = format::kTypeDirectory | 0755;
  std::vector<TinyStep> steps;
  steps.push_back(made_in(kRootIno, "a", kDirectory, Role::a));
  steps.push_back(made_in(kRootIno, "b", kDirectory, Role::b));
  steps.push_back(made_in(ino_of(Role::a), "x", kFile, Role::big_file));
  steps.push_back(made_in(ino_of(Role::a), "y", kDirectory, Role::empty_directory));
  steps.push_back(made_in(ino_of(Role::b), "x", kFile, Role::small_file));
  steps.push_back(written(Role::big_file, kBigBytes));
  steps.push_back(written(Role::small_file, kSmallBytes));
  Operation op;
  op.kind = OpKind::set_xattr;
  op.ino = ino_of(Role::big_file);
  op.name = "user.old";
  op.data = "old value";
  steps.push_back({Role::big_file, op});
  return steps;
}

std::vector<TinyOperation> tiny_operations() {
  std::vector<TinyOperation> all;
  add_place_operations(all);
  add_pair_operations(all);
  add_content_operations(all);
  add_attribute_operations(all);
  for (const Directory& directory : kDirectories) {
    Operation op;
    op.kind = OpKind::readdir;
    op.ino = ino_of(directory.role);
    op.length = 1000;
    all.push_back({fmt::format("list {}", directory.name), op});
  }
  return all;
}

std::string TinySizes::formula() const {
  return fmt::format("{}*{} + {}*{} + {}*{} + {}*{} + {}*{} + {}", on_a_place, places(),
                     places(), places(), files, places(), on_content, files, on_attributes,
                     objects, directories);
}

Operation bound(Operation op, const Bindings& bindings) {
  for (Ino* ino : {&op.ino, &op.other}) {
    if (!*ino || *ino == kRootIno) continue;
    *ino = bindings.at(static_cast<Role>(ino->value));
  }
  return op;
}

}  // namespace scoutfs::sim
