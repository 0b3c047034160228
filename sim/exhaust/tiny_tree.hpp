// The tiny tree that every case begins with, and every operation that can be called on it.
//
//   a/x  a regular file of a block and a bit, with an attribute
//   a/y  an empty directory
//   b/x  a small regular file
//
// The other places of the two directories are free.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/operation.hpp"

namespace scoutfs::sim {

// The inodes of the tree. Operations name them by these numbers until they are bound to those
// that the engine gave.
enum class Role : std::uint64_t { a = 101, b, big_file, empty_directory, small_file };

struct TinyOperation {
  std::string text;  // "rename a/x b/z"
  Operation op;      // its inodes by their roles
};

// What the tree is made by, in this order; each makes the inode of a role, or changes one.
struct TinyStep {
  Role makes{};
  Operation op;
};
std::vector<TinyStep> tiny_tree();
// Every operation, each once.
std::vector<TinyOperation> tiny_operations();

// How many there are, by the sizes of the sets that they are made of and nothing else.
struct TinySizes {
  std::uint64_t directories = 2, names = 3;
  std::uint64_t files = 2;          // a/x and b/x
  std::uint64_t objects = 3;        // with attributes: those and a
  std::uint64_t on_a_place = 5;     // create, mkdir, symlink, unlink, rmdir
  std::uint64_t on_content = 10;    // of a file
  std::uint64_t on_attributes = 4;  // of an object
  std::uint64_t places() const { return directories * names; }
  std::uint64_t operations() const {
    return on_a_place * places() + places() * places() + files * places() + on_content * files +
           on_attributes * objects + directories;
  }
  // "5*6 + 6*6 + 2*6 + 10*2 + 4*3 + 2"
  std::string formula() const;
};

using Bindings = std::map<Role, Ino>;
// Requires: all roles are bound.
Operation bound(Operation op, const Bindings& bindings);

}  // namespace scoutfs::sim
