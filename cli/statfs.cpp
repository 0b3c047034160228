// scoutfs statfs: what statfs(2) does not show of a volume.
#include "cli/command.hpp"
#include "cli/fields.hpp"
#include "node/fs_client.hpp"
#include "node/status_json.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  PathArgument path;
  std::string field;
  bool json = false;
};

Fields fields_of(const node::protocol::StatFsMore& more) {
  return {{"fsid", node::hex(more.fsid)},        {"rid", node::hex(more.rid)},
          {"committed_seq", more.committed_seq}, {"total_blocks", more.total_blocks},
          {"free_blocks", more.free_blocks},     {"files", more.files}};
}

int run(const Options& options) {
  if (!options.field.empty() && find_field(fields_of({}), options.field) == nullptr) {
    return misused("statfs", unknown_field(fields_of({}), options.field));
  }
  const std::string path = options.path.get();
  const auto client = node::FsClient::open(path);
  if (!client.has_value()) return failed("statfs", explain_errno(path, client.error()));
  const auto more = client->stat_fs_more();
  if (!more.has_value()) return failed("statfs", explain_errno(path, more.error()));
  if (options.json) {
    print_json(to_json(fields_of(*more)));
  } else {
    print_fields(fields_of(*more), options.field);
  }
  return kOk;
}

}  // namespace

void add_statfs(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = commands.add(
      "statfs", "Show identity, newest recorded sequence number and space of a mounted volume.",
      [options] { return run(*options); });
  options->path.add_to(*command);
  command->add_option("-s,--single-field", options->field,
                      "print the value of this field only");
  command->add_flag("--json", options->json, "print JSON");
}

}  // namespace scoutfs::cli
