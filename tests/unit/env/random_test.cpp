#include "engine/env/random.hpp"

#include "tests/test.hpp"

using namespace scoutfs;

namespace {

class Fixed : public Random {
 public:
  explicit Fixed(std::vector<std::uint64_t> values) : values_(std::move(values)) {}
  std::uint64_t next() override { return values_.at(at_++); }

 private:
  std::vector<std::uint64_t> values_;
  std::size_t at_ = 0;
};

}  // namespace

RC_BOOST_PROP(below_stays_below_and_keeps_the_order_of_the_source,
              (std::uint64_t a, std::uint64_t b, std::uint64_t bound)) {
  RC_PRE(bound > 0);
  Fixed random({a, b});
  const std::uint64_t first = random.below(bound);
  const std::uint64_t second = random.below(bound);
  RC_ASSERT(first < bound);
  RC_ASSERT(second < bound);
  if (a <= b) RC_ASSERT(first <= second);
}

BOOST_AUTO_TEST_CASE(an_id_is_never_zero) {
  Fixed random({0, 0, 7});
  BOOST_TEST(random.id() == 7);
}
