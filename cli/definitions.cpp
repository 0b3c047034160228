#include "cli/definitions.hpp"

#include <algorithm>
#include <cctype>

namespace scoutfs::cli {

std::vector<const CLI::App*> visible_commands(const CLI::App& app) {
  std::vector<const CLI::App*> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) commands.push_back(command);
  }
  return commands;
}

std::vector<OptionText> options_of(const CLI::App& command) {
  std::vector<OptionText> options;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group().empty()) continue;
    OptionText text;
    for (const std::string& name : option->get_snames()) text.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) text.names.push_back("--" + name);
    if (text.names.empty() || option->get_expected_max() > 0) {
      std::string name = text.names.empty() ? option->get_name() : option->get_lnames().front();
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      text.value = name;
    }
    text.description = option->get_description();
    text.required = option->get_required();
    text.repeated = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll ||
                    option->get_items_expected_max() > 1;
    options.push_back(std::move(text));
  }
  // Help, which is defined first, comes last.
  const auto help = std::find_if(options.begin(), options.end(), [](const OptionText& option) {
    return std::find(option.names.begin(), option.names.end(), "--help") != option.names.end();
  });
  if (help != options.end()) std::rotate(help, help + 1, options.end());
  return options;
}

std::string synopsis(const std::string& name, const CLI::App& command) {
  std::string flags, arguments;
  for (const OptionText& option : options_of(command)) {
    std::string text = option.names.empty() ? "" : option.names.front();
    if (!option.value.empty()) text += (text.empty() ? "" : " ") + option.value;
    if (!option.required) text = "[" + text + "]";
    if (option.repeated) text += "...";
    (option.names.empty() ? arguments : flags) += " " + text;
  }
  return name + flags + arguments;
}

}  // namespace scoutfs::cli
