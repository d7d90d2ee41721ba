#include "ipc/settings.hpp"

#include <boost/describe/members.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>
#include <boost/mp11/algorithm.hpp>

namespace clawql::ipc {
namespace json = boost::json;
namespace {

template <class T>
concept Described = boost::describe::has_describe_members<T>::value;

// Own walk over the described members instead of value_from/value_to: these throw, and they know no std::optional
// in 1.81.
template <class T>
json::value write(const T& value);
template <class T>
Status read(const json::value& from, T& to);

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = true;

template <class T>
json::value write(const T& value) {
  if constexpr (is_optional<T>) {
    return value ? write(*value) : json::value(nullptr);
  } else if constexpr (is_vector<T>) {
    json::array array;
    for (const auto& element : value) array.push_back(write(element));
    return array;
  } else if constexpr (Described<T>) {
    json::object object;
    boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_any_access>>(
        [&](auto member) { object[member.name] = write(value.*member.pointer); });
    return object;
  } else {
    return json::value(value);
  }
}

template <class T>
Status read_number(const json::value& from, T& to) {
  std::uint64_t number = 0;
  if (from.is_uint64())
    number = from.get_uint64();
  else if (from.is_int64() && from.get_int64() >= 0)
    number = static_cast<std::uint64_t>(from.get_int64());
  else
    return fail("a number is expected");
  if (number > std::numeric_limits<T>::max()) return fail("the number is too large");
  to = static_cast<T>(number);
  return {};
}

template <class T>
Status read_object(const json::value& from, T& to) {
  if (!from.is_object()) return fail("an object is expected");
  const json::object& object = from.get_object();
  Status status;
  std::size_t known = 0;
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_any_access>>([&](auto member) {
    ++known;
    if (!status) return;
    const json::value* found = object.if_contains(member.name);
    status = found == nullptr ? fail("is missing") : read(*found, to.*member.pointer);
    if (!status) status = std::unexpected(std::move(status.error()).in(member.name));
  });
  if (status && object.size() != known) return fail("an unknown member");
  return status;
}

template <class T>
Status read(const json::value& from, T& to) {
  if constexpr (is_optional<T>) {
    if (from.is_null()) return {};
    return read(from, to.emplace());
  } else if constexpr (is_vector<T>) {
    if (!from.is_array()) return fail("an array is expected");
    for (const auto& element : from.get_array()) CLAWQL_CHECKED(read(element, to.emplace_back()));
    return {};
  } else if constexpr (Described<T>) {
    return read_object(from, to);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!from.is_string()) return fail("a string is expected");
    to = std::string(from.get_string());
    return {};
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!from.is_bool()) return fail("true or false is expected");
    to = from.get_bool();
    return {};
  } else {
    return read_number(from, to);
  }
}

}  // namespace

template <class T>
std::string to_json(const T& value) {
  return json::serialize(write(value));
}

template <class T>
Result<T> from_json(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return fail("not JSON: " + error.message());
  T value{};
  CLAWQL_CHECKED(read(parsed, value));
  return value;
}

#define CLAWQL_PAYLOAD(Type)                       \
  template std::string to_json<Type>(const Type&); \
  template Result<Type> from_json<Type>(std::string_view)
CLAWQL_PAYLOAD(DoorSettings);
CLAWQL_PAYLOAD(EngineSettings);
CLAWQL_PAYLOAD(ReadyMessage);
CLAWQL_PAYLOAD(ListenerMessage);
CLAWQL_PAYLOAD(ChannelMessage);
CLAWQL_PAYLOAD(ServerMessage);
CLAWQL_PAYLOAD(ServerExited);
CLAWQL_PAYLOAD(AdminRequest);
CLAWQL_PAYLOAD(AdminAnswer);
CLAWQL_PAYLOAD(ExposureMessage);
#undef CLAWQL_PAYLOAD

}  // namespace clawql::ipc
