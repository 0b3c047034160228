// What a disk server reads of strangers and of its own table: export names, offers, tables.
// What parses is what encode() gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/assert.hpp"
#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "nbd/plugin/control.hpp"

namespace {

using namespace scoutfs;
using namespace scoutfs::nbd;

void read_name(std::string_view name) {
  const Result<Identity> identity = parse_identity(name);
  if (!identity.has_value()) return;
  const std::string secret(32, 's');
  const std::string again = encode(*identity, secret);
  SCOUTFS_ASSERT(again.substr(0, again.rfind("&mac=")) == name.substr(0, name.rfind("&mac=")));
  SCOUTFS_ASSERT(verify(name, secret) == (again == name));
}

void read_table(std::string_view fields) {
  // Checksum and magic are supplied, so that the fuzzer spends its time behind them.
  std::string bytes = FenceTable::encode(FenceTable(1)).substr(0, 16);
  bytes += fields;
  store_little(bytes.data(), checksum64(std::string_view(bytes).substr(8), 0));
  const Result<FenceTable> table = FenceTable::decode(bytes);
  if (table.has_value()) SCOUTFS_ASSERT(FenceTable::encode(*table) == bytes);
}

void read_request(std::string_view request) {
  // A server without a disk: what it would do there fails, and it says so.
  DiskServer server;
  const std::string answer = answer_request(server, Identity{}, request);
  SCOUTFS_ASSERT(answer.starts_with("{"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      read_name(input);
      break;
    case 1: {
      const Result<Offer> offer = parse_offer(input);
      if (offer.has_value()) SCOUTFS_ASSERT(encode(*offer) == input);
      break;
    }
    case 2:
      read_table(input);
      break;
    default:
      read_request(input);
  }
  return 0;
}
