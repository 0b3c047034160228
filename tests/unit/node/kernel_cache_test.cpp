// Modes, and the record of what the kernel may keep where no kernel is needed for it.
#include "node/kernel_cache.hpp"

#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

BOOST_AUTO_TEST_SUITE(kernel_cache)

BOOST_AUTO_TEST_CASE(modes_have_names) {
  for (const CacheMode mode : {CacheMode::none, CacheMode::attributes, CacheMode::full}) {
    BOOST_TEST((parse_cache_mode(to_string(mode)) == mode));
  }
  BOOST_TEST(!parse_cache_mode("attributes").has_value());
  BOOST_TEST(!parse_cache_mode("").has_value());
}

BOOST_AUTO_TEST_CASE(the_kernel_decides_unless_the_operator_does) {
  std::string why;
  BOOST_TEST((choose_cache_mode(std::nullopt, true, why).value() == CacheMode::full));
  BOOST_TEST((choose_cache_mode(std::nullopt, false, why).value() == CacheMode::attributes));
  for (const CacheMode mode : {CacheMode::none, CacheMode::attributes}) {
    BOOST_TEST((choose_cache_mode(mode, true, why).value() == mode));
    BOOST_TEST((choose_cache_mode(mode, false, why).value() == mode));
  }
  BOOST_TEST((choose_cache_mode(CacheMode::full, true, why).value() == CacheMode::full));
  BOOST_TEST(why.empty());
  BOOST_TEST(failed_with(choose_cache_mode(CacheMode::full, false, why), Errc::unsupported));
  BOOST_TEST(why.find("cache=attr") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_cache_that_was_never_opened_keeps_nothing) {
  EventLoop loop;
  KernelCache cache(loop, 0);
  CacheGrant grant(cache);
  grant.about_name(Ino{1});
  grant.about_pages(Ino{2}, 0, 4096, CacheGrant::Pages::locked);
  grant.serialized(TxnNo{});
  BOOST_TEST(grant.name_timeout() == 0);
  const fs::Attributes attributes{.ino = Ino{2}, .inode = {}};
  BOOST_TEST(grant.attributes_timeout(attributes) == 0);
  BOOST_TEST(!cache.caches_pages_of(attributes.inode));
  loop.run(cache.on_revoke(lock::lock_of(Ino{1}), lock::Mode::none));
  loop.run(cache.close());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
