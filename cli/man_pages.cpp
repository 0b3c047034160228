// scoutfs man-pages: writes the manual, made from the command's own definitions. For `just
// install`, and so not among the commands a user sees.
#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "cli/command.hpp"
#include "cli/definitions.hpp"
#include "cli/mount_options.hpp"

namespace scoutfs::cli {

namespace {

// A text's characters that mean something to troff.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '-') {
      out += "\\-";
    } else if (c == '\\') {
      out += "\\e";
    } else {
      out += c;
    }
    if (c == '\n') out += "\\&";  // a line that begins with a dot is no request
  }
  return out;
}

std::string header(const std::string& name, std::string_view what) {
  return fmt::format(".TH {} 8\n.SH NAME\n{} \\- {}\n", name, escaped(name), escaped(what));
}

std::string sentence_to_phrase(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(text[0]));
  return text;
}

std::string option_list(const CLI::App& command) {
  std::string out;
  for (const OptionText& option : options_of(command)) {
    std::string names;
    for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + name;
    if (!option.value.empty()) names += (names.empty() ? "" : " ") + option.value;
    out += fmt::format(".TP\n.B {}\n{}\n", escaped(names), escaped(option.description));
  }
  return out;
}

constexpr std::string_view kExitCodes =
    ".SH EXIT STATUS\n0 it worked; 1 it did not; 2 the command line is wrong.\n";

std::string mount_options_section() {
  std::string out = ".SH MOUNT OPTIONS\n";
  for (const MountOptionHelp& help : mount_option_help()) {
    out += fmt::format(".TP\n.B {}\n{}\n", escaped(help.name), escaped(help.text));
  }
  return out;
}

std::string command_page(const CLI::App& command, const std::string& name) {
  std::string page = header("scoutfs-" + name, sentence_to_phrase(command.get_description()));
  const std::string full = "scoutfs " + name;
  page += ".SH SYNOPSIS\n";
  const auto subs = visible_commands(command);
  if (subs.empty()) page += ".B " + escaped(synopsis(full, command)) + "\n";
  for (const CLI::App* sub : subs) {
    page += ".B " + escaped(synopsis(full + " " + sub->get_name(), *sub)) + "\n.br\n";
  }
  page += ".SH DESCRIPTION\n" + escaped(command.get_description()) + "\n";
  if (name != "mount" && !command.get_footer().empty()) {
    page += ".PP\n" + escaped(command.get_footer()) + "\n";
  }
  page += ".SH OPTIONS\n" + option_list(command);
  for (const CLI::App* sub : subs) {
    page +=
        fmt::format(".SH {}\n{}\n", escaped(sub->get_name()), escaped(sub->get_description()));
    page += option_list(*sub);
  }
  if (name == "mount") page += mount_options_section();
  return page + std::string(kExitCodes) + ".SH SEE ALSO\n.BR scoutfs (8)\n";
}

std::string main_page(const CLI::App& app) {
  std::string page = header("scoutfs", sentence_to_phrase(app.get_description()));
  page += ".SH SYNOPSIS\n.B scoutfs COMMAND [ARGUMENT...]\n.SH COMMANDS\n";
  for (const CLI::App* command : visible_commands(app)) {
    page += fmt::format(".TP\n.BR scoutfs\\-{} (8)\n{}\n", escaped(command->get_name()),
                        escaped(command->get_description()));
  }
  return page + std::string(kExitCodes) + ".SH SEE ALSO\n.BR mount.scoutfs (8)\n";
}

std::string helper_page() {
  return header("mount.scoutfs", "mount a scoutfs volume with mount(8)") +
         ".SH SYNOPSIS\n.B mount \\-t scoutfs \\-o cluster=NAME,listen=IP DEVICE DIR\n"
         ".SH DESCRIPTION\nmount(8) runs this helper. In fstab(5), give the option _netdev, so "
         "that the volume is mounted when the network is up and unmounted before it goes "
         "down.\n" +
         mount_options_section() +
         ".SH EXIT STATUS\n0 it worked; 1 the command line is wrong; 32 the mount failed.\n"
         ".SH SEE ALSO\n.BR scoutfs\\-mount (8),\n.BR mount (8)\n";
}

bool write_page(const std::string& directory, const std::string& name,
                const std::string& text) {
  std::ofstream file(directory + "/" + name + ".8");
  file << text;
  file.close();
  return file.good();
}

int run(const CLI::App& app, const std::string& directory) {
  bool good = write_page(directory, "scoutfs", main_page(app)) &&
              write_page(directory, "mount.scoutfs", helper_page());
  for (const CLI::App* command : visible_commands(app)) {
    const std::string& name = command->get_name();
    good = good && write_page(directory, "scoutfs-" + name, command_page(*command, name));
  }
  if (good) return kOk;
  return failed("man-pages",
                fmt::format("cannot write to '{}': {}", directory, std::strerror(errno)));
}

}  // namespace

void add_man_pages(Commands& commands) {
  auto directory = std::make_shared<std::string>();
  CLI::App* const command =
      commands.add("man-pages", "Write the manual pages into a directory.",
                   [directory, &commands] { return run(commands.app(), *directory); });
  command->add_option("directory", *directory, "where to; it must exist")->required();
  command->group("");
}

}  // namespace scoutfs::cli
