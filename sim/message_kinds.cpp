#include "sim/message_kinds.hpp"

#include <variant>

#include "engine/session/messages.hpp"

namespace scoutfs::sim {

namespace {

// In the order of the variants.
constexpr std::array kOthers{std::string_view{"acknowledgement"}, std::string_view{"unknown"}};
constexpr std::array kSetups{std::string_view{"greeting"}, std::string_view{"welcome"},
                             std::string_view{"refusal"}};
constexpr std::array kRequests{
    std::string_view{"declare"},       std::string_view{"lock-request"},
    std::string_view{"commit"},        std::string_view{"space-request"},
    std::string_view{"space-return"},  std::string_view{"seq-request"},
    std::string_view{"ino-request"},   std::string_view{"list-request"},
    std::string_view{"bound-request"}, std::string_view{"space-info"},
    std::string_view{"job-result"},    std::string_view{"farewell"},
    std::string_view{"lease-request"},
};
constexpr std::array kAnswers{
    std::string_view{"done"},         std::string_view{"declare-answer"},
    std::string_view{"lock-grant"},   std::string_view{"commit-answer"},
    std::string_view{"space-answer"}, std::string_view{"seq-answer"},
    std::string_view{"ino-answer"},   std::string_view{"list-answer"},
    std::string_view{"bound-answer"}, std::string_view{"space-info-answer"},
    std::string_view{"lease-answer"},
};
constexpr std::array kLeaderNotices{
    std::string_view{"revoke"}, std::string_view{"commit-wanted"},
    std::string_view{"job-offer"}, std::string_view{"heartbeat"},
    std::string_view{"last-closed"}};
constexpr std::array kMemberNotices{
    std::string_view{"release"}, std::string_view{"close-inode"}, std::string_view{"drop-seq"},
    std::string_view{"heartbeat-answer"}, std::string_view{"unlinked"}};
// In the order of their first bytes.
constexpr std::array kVoters{
    std::string_view{"voter-hello"},  std::string_view{"voter-poll"},
    std::string_view{"voter-vote"},   std::string_view{"voter-beat"},
    std::string_view{"voter-resign"}, std::string_view{"voter-answer"}};
static_assert(kSetups.size() == std::variant_size_v<session::Setup>);
static_assert(kRequests.size() == std::variant_size_v<session::Request>);
static_assert(kAnswers.size() == std::variant_size_v<session::Answer>);
static_assert(kLeaderNotices.size() == std::variant_size_v<session::LeaderNotice>);
static_assert(kMemberNotices.size() == std::variant_size_v<session::MemberNotice>);

// Kinds are numbered through these lists.
constexpr std::size_t kUnknown = 1;
constexpr std::size_t kFirstSetup = kOthers.size();
constexpr std::size_t kFirstRequest = kFirstSetup + kSetups.size();
constexpr std::size_t kFirstAnswer = kFirstRequest + kRequests.size();
constexpr std::size_t kFirstLeaderNotice = kFirstAnswer + kAnswers.size();
constexpr std::size_t kFirstMemberNotice = kFirstLeaderNotice + kLeaderNotices.size();
constexpr std::size_t kFirstVoter = kFirstMemberNotice + kMemberNotices.size();
constexpr std::size_t kKinds = kFirstVoter + kVoters.size();
static_assert(kKinds <= kMessageKindsMax);

template <std::size_t size>
std::size_t kind_in(const std::array<std::string_view, size>&, std::size_t first,
                    std::size_t index) {
  return index < size ? first + index : kUnknown;
}

}  // namespace

std::size_t message_kind(std::string_view frame, bool from_member, bool first) {
  // Of a channel's frame: two numbers, then the kind byte, the request's id, the alternative.
  constexpr std::size_t kKindAt = 16, kIndexAt = kKindAt + 1 + 8;
  const auto byte = [frame](std::size_t at) { return static_cast<std::uint8_t>(frame[at]); };
  if (first) return frame.empty() ? kUnknown : kind_in(kSetups, kFirstSetup, byte(0));
  if (frame.size() == kKindAt) return 0;
  if (frame.size() <= kIndexAt) return kUnknown;
  constexpr std::uint8_t kNotice = 3;
  const std::size_t index = byte(kIndexAt);
  if (byte(kKindAt) == kNotice) {
    return from_member ? kind_in(kMemberNotices, kFirstMemberNotice, index)
                       : kind_in(kLeaderNotices, kFirstLeaderNotice, index);
  }
  return from_member ? kind_in(kRequests, kFirstRequest, index)
                     : kind_in(kAnswers, kFirstAnswer, index);
}

std::size_t voter_message_kind(std::string_view frame) {
  constexpr std::uint8_t kFirst = 0xe1;
  if (frame.empty()) return kUnknown;
  const std::size_t index = static_cast<std::uint8_t>(frame[0]) - std::size_t{kFirst};
  return kind_in(kVoters, kFirstVoter, index);
}

std::string_view message_name(std::size_t kind) {
  if (kind < kFirstSetup) return kOthers[kind];
  if (kind < kFirstRequest) return kSetups[kind - kFirstSetup];
  if (kind < kFirstAnswer) return kRequests[kind - kFirstRequest];
  if (kind < kFirstLeaderNotice) return kAnswers[kind - kFirstAnswer];
  if (kind < kFirstMemberNotice) return kLeaderNotices[kind - kFirstLeaderNotice];
  if (kind < kFirstVoter) return kMemberNotices[kind - kFirstMemberNotice];
  if (kind < kKinds) return kVoters[kind - kFirstVoter];
  return {};
}

}  // namespace scoutfs::sim
