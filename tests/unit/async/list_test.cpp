#include "engine/async/list.hpp"

#include "tests/test.hpp"

#include <memory>

using namespace scoutfs;

namespace {

struct OneTag;
struct OtherTag;
struct Element : ListHook<OneTag>, ListHook<OtherTag> {
  explicit Element(int number) : value(number) {}
  int value;
};

std::vector<int> drain(List<Element, OneTag>& list) {
  std::vector<int> values;
  while (!list.empty()) {
    Element& element = list.front();
    values.push_back(element.value);
    static_cast<ListHook<OneTag>&>(element).unlink();
  }
  return values;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_list_keeps_the_order_of_adding) {
  Element a(1), b(2), c(3);
  List<Element, OneTag> list;
  for (Element* element : {&a, &b, &c}) list.push_back(*element);
  BOOST_TEST(list.front().value == 1);
  BOOST_TEST(list.back().value == 3);
  BOOST_TEST(drain(list) == (std::vector{1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(an_element_that_dies_leaves_its_lists) {
  List<Element, OneTag> one;
  List<Element, OtherTag> other;
  Element a(1), c(3);
  {
    auto b = std::make_unique<Element>(2);
    one.push_back(a);
    one.push_back(*b);
    one.push_back(c);
    other.push_back(*b);
  }
  BOOST_TEST(other.empty());
  BOOST_TEST(drain(one) == (std::vector{1, 3}));
}

BOOST_AUTO_TEST_CASE(a_list_that_dies_lets_its_elements_go) {
  Element a(1), b(2);
  {
    List<Element, OneTag> list;
    list.push_back(a);
    list.push_back(b);
  }
  BOOST_TEST(!static_cast<ListHook<OneTag>&>(a).linked());
  List<Element, OneTag> again;
  again.push_back(b);
  BOOST_TEST(drain(again) == std::vector{2});
}

BOOST_AUTO_TEST_CASE(unlinking_twice_is_harmless_and_an_element_may_come_back) {
  List<Element, OneTag> list;
  Element a(1), b(2);
  list.push_back(a);
  list.push_back(b);
  static_cast<ListHook<OneTag>&>(a).unlink();
  static_cast<ListHook<OneTag>&>(a).unlink();
  list.push_back(a);
  BOOST_TEST(drain(list) == (std::vector{2, 1}));
}
