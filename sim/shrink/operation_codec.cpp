#include "sim/shrink/operation_codec.hpp"

#include <array>
#include <optional>

#include "sim/workload.hpp"

namespace scoutfs::sim {

namespace {

constexpr std::uint64_t kAny = ~0ULL;
constexpr TimeNs kTimeMax = 1'000'000'000 * kSecond;
constexpr std::uint64_t kSizeMax = 1ULL << 32;  // of offsets and lengths, bytes
constexpr std::uint64_t kDataMax = 16u << 20;   // that is written or read at once, bytes
constexpr std::size_t kNameMax = 4096;          // bytes; of a link's target, too
constexpr std::uint64_t k32BitMax = 0xffff'ffff;

constexpr std::array<const char*, 3> kHow = {"any", "create_only", "replace_only"};

std::optional<OpKind> kind_of(const std::string& name) {
  for (std::size_t i = 0; i < kOpKinds; ++i) {
    if (to_string(static_cast<OpKind>(i)) == name) return static_cast<OpKind>(i);
  }
  return std::nullopt;
}

void put_operation(nlohmann::json& json, const Operation& op) {
  json["kind"] = to_string(op.kind);
  const auto put = [&json](const char* name, std::uint64_t number) {
    if (number != 0) json[name] = number;
  };
  put("ino", op.ino.value);
  put("other", op.other.value);
  if (!op.name.empty()) json["name"] = op.name;
  if (!op.name2.empty()) json["name2"] = op.name2;
  if (!op.data.empty()) {
    const std::uint64_t stamp = stamp_of(op.data);
    SCOUTFS_ASSERT(stamped_data(op.data.size(), stamp) == op.data);
    json["data"] = {{"size", op.data.size()}, {"stamp", stamp}};
  }
  put("offset", op.offset);
  put("length", op.length);
  put("mode", op.mode);
  put("uid", op.uid);
  put("gid", op.gid);
  if (op.how != fs::SetXattr::any) json["how"] = kHow[static_cast<std::size_t>(op.how)];
  if (op.rename_flags == fs::RenameFlags::no_replace) json["no_replace"] = true;
  if (op.seek == fs::Seek::hole) json["hole"] = true;
  if (op.keep_size) json["keep_size"] = true;
  if (op.publish) json["publish"] = true;
}

void read_data(Fields& fields, Operation& op) {
  if (!fields.has("data")) return;
  const nlohmann::json& value = fields.member("data");
  std::string error;
  Fields data(value, "data", error);
  const std::uint64_t size = data.number("size", kDataMax);
  const std::uint64_t stamp = data.number("stamp", kAny);
  data.finish();
  if (!error.empty()) return fields.complain(error);
  op.data = stamped_data(size, stamp);
}

void read_how(Fields& fields, Operation& op) {
  if (!fields.has("how")) return;
  const std::string name = fields.text("how", kNameMax);
  for (std::size_t i = 0; i < kHow.size(); ++i) {
    if (name != kHow[i]) continue;
    op.how = static_cast<fs::SetXattr>(i);
    return;
  }
  fields.complain("how is no way to set an attribute");
}

Operation read_what(Fields& fields) {
  Operation op;
  const std::optional<OpKind> kind = kind_of(fields.text("kind", kNameMax));
  if (!kind.has_value()) {
    fields.complain("kind is no kind of operation");
    return op;
  }
  op.kind = *kind;
  op.ino = Ino{fields.number("ino", kAny, 0)};
  op.other = Ino{fields.number("other", kAny, 0)};
  if (fields.has("name")) op.name = fields.text("name", kNameMax);
  if (fields.has("name2")) op.name2 = fields.text("name2", kNameMax);
  read_data(fields, op);
  op.offset = fields.number("offset", kSizeMax, 0);
  op.length = fields.number("length", op.kind == OpKind::read ? kDataMax : kSizeMax, 0);
  op.mode = static_cast<std::uint32_t>(fields.number("mode", k32BitMax, 0));
  op.uid = static_cast<std::uint32_t>(fields.number("uid", k32BitMax, 0));
  op.gid = static_cast<std::uint32_t>(fields.number("gid", k32BitMax, 0));
  read_how(fields, op);
  if (fields.flag("no_replace", false)) op.rename_flags = fs::RenameFlags::no_replace;
  if (fields.flag("hole", false)) op.seek = fs::Seek::hole;
  op.keep_size = fields.flag("keep_size", false);
  op.publish = fields.flag("publish", false);
  return op;
}

}  // namespace

nlohmann::json to_json(const DecidedOperation& decided) {
  nlohmann::json json = {{"node", decided.node},
                         {"ordinal", decided.ordinal},
                         {"worker", decided.worker},
                         {"at_ns", decided.at_ns}};
  if (decided.think_ns != 0) json["think_ns"] = decided.think_ns;
  if (decided.found) json["found"] = decided.found.value;
  if (decided.closes.has_value()) json["closes"] = *decided.closes;
  if (decided.workload != 0) json["workload"] = decided.workload;
  put_operation(json, decided.op);
  return json;
}

DecidedOperation read_operation(Fields& fields) {
  DecidedOperation decided;
  decided.node = static_cast<unsigned>(fields.number("node", k32BitMax));
  decided.ordinal = fields.number("ordinal", kAny);
  decided.worker = static_cast<unsigned>(fields.number("worker", k32BitMax));
  decided.at_ns = fields.number("at_ns", kTimeMax);
  decided.think_ns = fields.number("think_ns", kTimeMax, 0);
  decided.found = Ino{fields.number("found", kAny, 0)};
  if (fields.has("closes")) decided.closes = fields.number("closes", kAny);
  decided.workload = static_cast<unsigned>(fields.number("workload", k32BitMax, 0));
  decided.op = read_what(fields);
  fields.finish();
  return decided;
}

}  // namespace scoutfs::sim
