#include "sim/build_id.hpp"

#include <elf.h>
#include <fmt/core.h>
#include <link.h>

#include <cstring>
#include <string_view>

namespace scoutfs::sim {

namespace {

// The notes of one segment: name and description follow each header, padded to four bytes.
std::string id_in(std::string_view notes) {
  const auto padded = [](std::size_t size) { return (size + 3) & ~std::size_t{3}; };
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes.data(), sizeof header);
    const std::size_t description_at = sizeof header + padded(header.n_namesz);
    const std::size_t size = description_at + padded(header.n_descsz);
    if (size > notes.size()) break;
    const std::string_view name = notes.substr(sizeof header, header.n_namesz);
    if (header.n_type == NT_GNU_BUILD_ID && name == std::string_view("GNU\0", 4)) {
      std::string text;
      for (const char byte : notes.substr(description_at, header.n_descsz)) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      }
      return text;
    }
    notes.remove_prefix(size);
  }
  return {};
}

// Called for each object; the program itself comes first.
int visit(dl_phdr_info* object, std::size_t, void* out) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* const begin =
        reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr);
    const std::string id = id_in({begin, segment.p_memsz});
    if (!id.empty()) *static_cast<std::string*>(out) = id;
  }
  return 1;
}

}  // namespace

std::string build_id() {
  std::string id;
  dl_iterate_phdr(visit, &id);
  return id.empty() ? "unknown" : id;
}

}  // namespace scoutfs::sim
