#include "engine/upstream/server_message.hpp"

namespace clawql::engine::upstream {
namespace {

using Kind = ServerMessage::Kind;

bool is_id(json::Value id) {
  return id.is(json::Kind::string) || id.int64() || id.uint64();
}

bool is_error(json::Value error) {
  return error.is(json::Kind::object) && error.find("code").int64() && error.find("message").is(json::Kind::string);
}

std::string_view fault_of_answer(json::Value result, json::Value error) {
  if (result && error) return "an answer with both result and error";
  if (!result && !error) return "neither method, result nor error";
  if (result && !result.is(json::Kind::object)) return "a result that is no object";
  if (error && !is_error(error)) return "an error without code or message";
  return {};
}

}  // namespace

ServerMessage classify(const json::Document& document) {
  const json::Value root = document.root();
  if (!root.is(json::Kind::object)) return {.fault = "not a JSON object"};
  json::Value version, id, method, result, error, params;
  for (const auto& [key, value] : root.members()) {
    if (key.equals("jsonrpc")) version = value;
    if (key.equals("id")) id = value;
    if (key.equals("method")) method = value;
    if (key.equals("result")) result = value;
    if (key.equals("error")) error = value;
    if (key.equals("params")) params = value;
  }
  if (!version.equals("2.0")) return {.fault = "jsonrpc is not \"2.0\""};
  if (id && !is_id(id)) return {.fault = "an id that is neither string nor integer"};
  if (!method) {
    if (!id) return {.fault = "neither id nor method"};
    return {.kind = Kind::answer, .id = id, .fault = fault_of_answer(result, error)};
  }
  if (!method.is(json::Kind::string)) return {.fault = "a method that is no string"};
  if (result || error) return {.fault = "a method together with a result or an error"};
  if (params && !params.is(json::Kind::object)) return {.fault = "params that are no object"};
  return {.kind = id ? Kind::request : Kind::notification, .id = id, .method = method};
}

}  // namespace clawql::engine::upstream
