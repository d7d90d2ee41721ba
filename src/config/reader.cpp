#include "config/reader.hpp"

#include "base/decimal.hpp"

namespace clawql::config {

const yaml::Node* scalar(const yaml::Node* parent, std::string_view key) {
  const yaml::Node* node = parent == nullptr ? nullptr : parent->find(key);
  return node != nullptr && node->is_scalar() ? node : nullptr;
}

std::string text_of(const yaml::Node& node) {
  return node.is_null() ? std::string{} : node.text;
}

std::optional<bool> boolean(const yaml::Node* parent, std::string_view key) {
  const yaml::Node* node = scalar(parent, key);
  if (node == nullptr || !node->plain) return std::nullopt;
  if (node->text == "true") return true;
  if (node->text == "false") return false;
  return std::nullopt;
}

std::optional<std::uint64_t> integer(const yaml::Node* parent, std::string_view key) {
  const yaml::Node* node = scalar(parent, key);
  return node == nullptr ? std::nullopt : base::parse_decimal<std::uint64_t>(node->text);
}

std::vector<const yaml::Node*> scalars(const yaml::Node* list) {
  std::vector<const yaml::Node*> found;
  if (list == nullptr) return found;
  for (const auto& item : list->items)
    if (item.is_scalar() && !item.is_null()) found.push_back(&item);  // a null was reported
  return found;
}

bool is_false(const yaml::Node* node) {
  return node != nullptr && node->is_scalar() && node->plain && node->text == "false";
}

}  // namespace clawql::config
