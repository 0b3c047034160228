#include "sim/model.hpp"

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr std::uint32_t kFile = format::kTypeRegular | 0644;
constexpr std::uint32_t kDirectory = format::kTypeDirectory | 0755;

struct Tree {
  Model model{0755};
  ModelId next = 2;

  Expected create(ModelId dir, const std::string& name, std::uint32_t mode = kFile) {
    Operation op;
    op.kind = OpKind::create;
    op.name = name;
    op.mode = mode;
    return model.execute(op, {.inode = dir, .other = 0, .created = next++});
  }
  Expected on_name(OpKind kind, ModelId dir, const std::string& name) {
    Operation op;
    op.kind = kind;
    op.name = name;
    return model.execute(op, {.inode = dir, .other = 0, .created = 0});
  }
  Expected rename(ModelId from_dir, const std::string& from, ModelId to_dir,
                  const std::string& to, fs::RenameFlags flags = fs::RenameFlags::none) {
    Operation op;
    op.kind = OpKind::rename;
    op.name = from;
    op.name2 = to;
    op.rename_flags = flags;
    return model.execute(op, {.inode = from_dir, .other = to_dir, .created = 0});
  }
  Expected link(ModelId inode, ModelId dir, const std::string& name) {
    Operation op;
    op.kind = OpKind::link;
    op.name = name;
    return model.execute(op, {.inode = inode, .other = dir, .created = 0});
  }
  std::string list(ModelId dir) {
    Operation op;
    op.kind = OpKind::readdir;
    op.length = 100;
    std::string names;
    for (const Expected::Entry& entry : model.execute(op, {.inode = dir}).entries) {
      names += entry.name + " ";
    }
    return names;
  }
};

bool fails(const Expected& expected, Errc error) {
  return std::ranges::find(expected.errors, error) != expected.errors.end();
}

BOOST_AUTO_TEST_CASE(names_are_listed_in_the_order_in_which_they_were_made) {
  Tree tree;
  tree.create(1, "b");
  tree.create(1, "a");
  BOOST_TEST(fails(tree.create(1, "a"), Errc::exists));
  BOOST_TEST(tree.list(1) == ". .. b a ");
  // A new name goes to the end, also when it takes another's place.
  tree.rename(1, "b", 1, "a");
  tree.create(1, "c");
  BOOST_TEST(tree.list(1) == ". .. a c ");
}

BOOST_AUTO_TEST_CASE(links_are_counted_on_files_and_directories) {
  Tree tree;
  const ModelId file = tree.create(1, "f").id;
  const ModelId dir = tree.create(1, "d", kDirectory).id;
  BOOST_TEST(tree.link(file, dir, "g").nlink == 2);
  BOOST_TEST(tree.model.find(1)->nlink == 3);
  BOOST_TEST(fails(tree.on_name(OpKind::rmdir, 1, "d"), Errc::not_empty));
  BOOST_TEST(fails(tree.on_name(OpKind::unlink, 1, "d"), Errc::is_directory));
  tree.on_name(OpKind::unlink, dir, "g");
  BOOST_TEST(tree.model.find(file)->nlink == 1);
  tree.on_name(OpKind::rmdir, 1, "d");
  BOOST_TEST(tree.model.find(1)->nlink == 2);
  BOOST_TEST(tree.model.find(dir)->nlink == 0);
  BOOST_TEST(fails(tree.create(dir, "x"), Errc::not_found));
  BOOST_TEST(fails(tree.link(dir, 1, "x"), Errc::not_permitted));
}

BOOST_AUTO_TEST_CASE(renaming_obeys_the_rules_of_directories) {
  Tree tree;
  const ModelId outer = tree.create(1, "outer", kDirectory).id;
  const ModelId inner = tree.create(outer, "inner", kDirectory).id;
  tree.create(1, "file");
  BOOST_TEST(fails(tree.rename(1, "outer", inner, "x"), Errc::invalid));
  BOOST_TEST(fails(tree.rename(1, "outer", 1, "file"), Errc::not_directory));
  BOOST_TEST(fails(tree.rename(1, "file", 1, "outer"), Errc::is_directory));
  BOOST_TEST(fails(tree.rename(outer, "inner", 1, "outer"), Errc::not_empty));
  BOOST_TEST(
      fails(tree.rename(1, "file", 1, "outer", fs::RenameFlags::no_replace), Errc::exists));
  BOOST_TEST(tree.rename(outer, "inner", 1, "moved").errors.empty());
  BOOST_TEST(tree.model.find(inner)->parent == 1);
  BOOST_TEST(tree.model.find(1)->nlink == 4);
  BOOST_TEST(tree.model.find(outer)->nlink == 2);
}

BOOST_AUTO_TEST_CASE(renaming_one_name_of_a_file_to_another_does_nothing) {
  Tree tree;
  const ModelId file = tree.create(1, "a").id;
  tree.link(file, 1, "b");
  const Expected expected = tree.rename(1, "a", 1, "b");
  BOOST_TEST(expected.errors.empty());
  BOOST_TEST(!expected.changed);
  BOOST_TEST(tree.list(1) == ". .. a b ");
}

BOOST_AUTO_TEST_CASE(content_grows_is_cut_and_punched) {
  Tree tree;
  const ModelIds file{.inode = tree.create(1, "f").id, .other = 0, .created = 0};
  Operation op;
  op.kind = OpKind::write;
  op.offset = 3;
  op.data = "abc";
  tree.model.execute(op, file);
  op.kind = OpKind::append;
  BOOST_TEST(tree.model.execute(op, file).number == 6);
  op = {};
  op.kind = OpKind::punch;
  op.offset = 4;
  op.length = 2;
  tree.model.execute(op, file);
  op = {};
  op.kind = OpKind::read;
  op.length = 100;
  const std::string want("\0\0\0a\0\0abc", 9);
  BOOST_TEST(tree.model.execute(op, file).bytes == want);
  op.kind = OpKind::truncate;
  op.length = 4;
  BOOST_TEST(tree.model.execute(op, file).size == 4);
}

BOOST_AUTO_TEST_CASE(a_set_group_id_directory_hands_its_group_down) {
  Tree tree;
  Operation op;
  op.kind = OpKind::create;
  op.name = "d";
  op.mode = kDirectory | 02000;
  op.gid = 7;
  const ModelId dir = tree.model.execute(op, {.inode = 1, .other = 0, .created = 50}).id;
  op.name = "sub";
  op.mode = kDirectory;
  op.gid = 9;
  const Expected sub = tree.model.execute(op, {.inode = dir, .other = 0, .created = 51});
  BOOST_TEST(sub.gid == 7);
  BOOST_TEST((sub.mode & 02000) != 0);
}

}  // namespace
}  // namespace scoutfs::sim
