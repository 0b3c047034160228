// Items as one line of text for people. Bytes that do not decode are shown in hexadecimal.
#pragma once

#include <string>
#include <string_view>

namespace scoutfs::check {

// "inode 17: regular, size 4096, ..." Works for any bytes.
std::string print_item(std::string_view key, std::string_view value);
// The same for an item of the server tree.
std::string print_server_item(std::string_view key, std::string_view value);

// The bytes in double quotes; what is not printable ASCII, and the quote, as \xNN.
std::string quoted(std::string_view bytes);

}  // namespace scoutfs::check
