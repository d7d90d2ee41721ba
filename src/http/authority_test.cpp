#include "http/authority.hpp"

#include <gtest/gtest.h>

namespace clawql::http {
namespace {

TEST(Authority, a_name_is_kept_as_lower_case_text_and_never_as_an_address) {
  EXPECT_EQ(HostName::parse("LocalHost")->text(), "localhost");
  EXPECT_EQ(HostName::parse("[2001:DB8::1]")->text(), "[2001:db8::1]");
  EXPECT_EQ(HostName::parse("localhost."), HostName::parse("LOCALHOST."));
  EXPECT_NE(HostName::parse("localhost."), HostName::parse("localhost"));
  EXPECT_NE(HostName::parse("127.1"), HostName::parse("127.0.0.1"));
  EXPECT_NE(HostName::parse("[::0001]"), HostName::parse("[::1]"));
}

TEST(Authority, a_host_name_has_no_port) {
  for (const auto* text : {"localhost:80", "[::1]:80", "", "localhost ", " localhost", "[", "]", "[]"})
    EXPECT_FALSE(HostName::parse(text)) << text;
}

TEST(Authority, a_port_is_one_to_five_digits_without_leading_zero) {
  EXPECT_EQ(Authority::parse("localhost")->port, std::nullopt);
  EXPECT_EQ(Authority::parse("localhost:1")->port, 1);
  EXPECT_EQ(Authority::parse("[::1]:65535")->port, 65535);
  EXPECT_EQ(Authority::parse("[::1]:65535")->host.text(), "[::1]");
  for (const auto* text :
       {"localhost:", "localhost:0", "localhost:65536", "localhost:01", "localhost:1:2", "::1", ":1"})
    EXPECT_FALSE(Authority::parse(text)) << text;
}

TEST(Authority, labels_and_names_have_the_longest_lengths_of_dns) {
  const std::string label(63, 'a');
  EXPECT_TRUE(HostName::parse(label));
  EXPECT_FALSE(HostName::parse(label + "a"));
  const std::string name = label + "." + label + "." + label + "." + std::string(61, 'b');
  EXPECT_TRUE(HostName::parse(name));
  EXPECT_TRUE(HostName::parse(name + "."));
  EXPECT_FALSE(HostName::parse(name + "b"));
}

TEST(Origin, takes_what_browsers_send_and_gives_it_back_unchanged) {
  for (const auto* text : {"http://localhost", "https://gw.example:8443", "http://[::1]:9", "http://127.0.0.1:80"}) {
    const auto origin = Origin::parse(text);
    ASSERT_TRUE(origin) << text;
    EXPECT_EQ(origin->text(), text);
  }
}

TEST(Origin, refuses_whatever_is_not_canonical) {
  for (const auto* text : {"null", "", "http://", "HTTP://localhost", "http://Localhost", "http://localhost.",
                           "http://localhost/", "http://user@localhost", "ws://localhost",
                           "http://localhost:", "http://localhost, http://localhost", "localhost", "http://[::A]"})
    EXPECT_FALSE(Origin::parse(text)) << text;
}

}  // namespace
}  // namespace clawql::http
