// scoutfs completion: shell completion, made from the command's own definitions.
#include <fmt/core.h>

#include "cli/command.hpp"
#include "cli/definitions.hpp"

namespace scoutfs::cli {

namespace {

std::string option_words(const CLI::App& command) {
  std::string words;
  for (const OptionText& option : options_of(command)) {
    for (const std::string& name : option.names) words += (words.empty() ? "" : " ") + name;
  }
  return words;
}

std::string command_words(const CLI::App& command) {
  std::string words;
  for (const CLI::App* sub : visible_commands(command)) {
    words += (words.empty() ? "" : " ") + sub->get_name();
  }
  return words;
}

// What follows the first word: the command's options, and words of its own.
std::string case_of(const CLI::App& command) {
  std::string words = option_words(command);
  for (const CLI::App* sub : visible_commands(command)) {
    words += " " + sub->get_name() + " " + option_words(*sub);
  }
  if (command.get_name() == "walk-inodes") words += " meta_seq data_seq";
  return fmt::format("    {}) words=\"{}\" ;;\n", command.get_name(), words);
}

std::string bash_script(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : visible_commands(app)) cases += case_of(*command);
  return "# bash completion of scoutfs; made by: scoutfs completion bash\n"
         "_scoutfs() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
         "  if [ \"$COMP_CWORD\" = 1 ]; then\n" +
         fmt::format("    words=\"{} {}\"\n", command_words(app), option_words(app)) +
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "}\n"
         "complete -o filenames -F _scoutfs scoutfs\n";
}

}  // namespace

void add_completion(Commands& commands) {
  auto shell = std::make_shared<std::string>();
  CLI::App* const command = commands.add(
      "completion", "Print the script that completes the command in a shell.",
      [shell, &commands] {
        if (*shell != "bash") {
          return misused("completion", fmt::format("unknown shell '{}', try bash", *shell));
        }
        fmt::print("{}", bash_script(commands.app()));
        return kOk;
      });
  command->add_option("shell", *shell, "bash")->required();
}

}  // namespace scoutfs::cli
