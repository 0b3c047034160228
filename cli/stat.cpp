// scoutfs stat: what stat(2) does not show of a file.
#include <fmt/core.h>

#include "cli/command.hpp"
#include "cli/fields.hpp"
#include "node/fs_client.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  std::vector<std::string> paths;
  std::string field;
  bool json = false;
};

Fields fields_of(const std::string& path, const node::protocol::StatMore& more) {
  return {{"path", path},
          {"meta_seq", more.meta_seq},
          {"data_seq", more.data_seq},
          {"data_version", more.data_version},
          {"online_blocks", more.online_blocks},
          {"offline_blocks", more.offline_blocks},
          {"crtime", fmt::format("{}.{:09}", more.crtime_seconds, more.crtime_nanoseconds)}};
}

int run(const Options& options) {
  if (!options.field.empty() && find_field(fields_of("", {}), options.field) == nullptr) {
    return misused("stat", unknown_field(fields_of("", {}), options.field));
  }
  int code = kOk;
  nlohmann::json documents = nlohmann::json::array();
  for (const std::string& path : options.paths) {
    const auto client = node::FsClient::open(path);
    if (!client.has_value()) {
      code = failed("stat", explain_errno(path, client.error()));
      continue;
    }
    const auto more = client->stat_more();
    if (!more.has_value()) {
      code = failed("stat", explain_errno(path, more.error()));
      continue;
    }
    const Fields fields = fields_of(path, *more);
    if (options.json) {
      documents.push_back(to_json(fields));
    } else {
      print_fields(fields, options.field);
    }
  }
  if (options.json) print_json(documents);
  return code;
}

}  // namespace

void add_stat(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      commands.add("stat", "Show sequence numbers, data version and block counts of files.",
                   [options] { return run(*options); });
  command->add_option("paths", options->paths, "files of a mounted volume")->required();
  command->add_option("-s,--single-field,--single_field", options->field,
                      "print the value of this field only");
  command->add_flag("--json", options->json, "print JSON");
}

}  // namespace scoutfs::cli
