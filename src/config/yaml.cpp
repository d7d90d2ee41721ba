#include "config/yaml.hpp"

#include <yaml.h>

#include <algorithm>
#include <memory>

namespace clawql::config::yaml {

bool Node::is_null() const {
  return is_scalar() && plain && (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL");
}

const Node* Node::find(std::string_view key) const {
  for (const auto& member : members)
    if (member.key.text == key) return &member.value;
  return nullptr;
}

namespace {

Mark mark_of(const yaml_mark_t& mark) {
  return {mark.line + 1, mark.column + 1};
}

Mark mark_at(std::string_view text, std::size_t offset) {
  Mark mark;
  for (const char c : text.substr(0, std::min(offset, text.size()))) {
    if (c == '\n') {
      ++mark.line;
      mark.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
      ++mark.column;
    }
  }
  return mark;
}

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
};

class Builder {
 public:
  Builder(std::string_view text, Problems& problems) : text_(text), problems_(problems) {
    initialized_ = yaml_parser_initialize(&parser_) != 0;
    if (!initialized_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);  // no guessing: UTF-16 is refused as bad UTF-8
    // libyaml takes bytes as unsigned char.
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  ~Builder() {
    if (initialized_) yaml_parser_delete(&parser_);
  }

  std::optional<Node> document() {
    if (!initialized_) {
      problems_.add({}, "out of memory");
      return std::nullopt;
    }
    Event event;
    if (!next(event)) return std::nullopt;  // stream start
    Event start;
    if (!next(start) || start->type != YAML_DOCUMENT_START_EVENT) return std::nullopt;
    if (start->data.document_start.tag_directives.start != start->data.document_start.tag_directives.end)
      problems_.add(mark_of(start->start_mark), "%TAG directives are refused: the configuration has no tags");
    std::optional<Node> root = next_node(1);
    if (!root) return std::nullopt;
    Event end;
    Event after;
    if (!next(end) || !next(after)) return std::nullopt;
    if (after->type != YAML_STREAM_END_EVENT)
      problems_.add(mark_of(after->start_mark), "a second document begins here: a configuration is one document");
    return root;
  }

 private:
  bool next(Event& event) {
    if (yaml_parser_parse(&parser_, event.get()) != 0) return true;
    const char* why = parser_.problem != nullptr ? parser_.problem : "not YAML";
    if (parser_.error == YAML_READER_ERROR) {
      problems_.add(mark_at(text_, parser_.problem_offset), std::string("not UTF-8 text: ") + why);
    } else if (parser_.error == YAML_MEMORY_ERROR) {
      problems_.add({}, "out of memory");
    } else {
      std::string message = std::string("not YAML: ") + why;
      if (parser_.context != nullptr) message += std::string(" (") + parser_.context + ")";
      problems_.add(mark_of(parser_.problem_mark), std::move(message));
    }
    return false;
  }

  std::optional<Node> next_node(std::size_t depth) {
    Event event;
    if (!next(event)) return std::nullopt;
    return node(event, depth);
  }

  // An anchor or tag is reported, and the value is read as if it had none.
  void refuse_properties(Mark mark, const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor != nullptr) problems_.add(mark, "anchors (&name) are refused: write the value where it is meant");
    if (tag != nullptr) problems_.add(mark, "tags (!name) are refused: write the plain value");
  }

  std::optional<Node> node(const Event& event, std::size_t depth) {
    Node result;
    result.mark = mark_of(event->start_mark);
    result.end = mark_of(event->end_mark);
    if (depth > kMaxDepth) {
      problems_.add(result.mark, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
      return std::nullopt;
    }
    if (event->type == YAML_SCALAR_EVENT) {
      const auto& scalar = event->data.scalar;
      refuse_properties(result.mark, scalar.anchor, scalar.tag);
      result.plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
      result.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
      return result;
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) return sequence(event, std::move(result), depth);
    if (event->type == YAML_MAPPING_START_EVENT) return mapping(event, std::move(result), depth);
    problems_.add(result.mark, "aliases (*name) are refused: write the value where it is meant");
    result.kind = Node::Kind::refused;
    return result;
  }

  std::optional<Node> sequence(const Event& start, Node result, std::size_t depth) {
    const auto& facts = start->data.sequence_start;
    refuse_properties(result.mark, facts.anchor, facts.tag);
    result.kind = Node::Kind::sequence;
    result.flow = facts.style == YAML_FLOW_SEQUENCE_STYLE;
    while (true) {
      Event event;
      if (!next(event)) return std::nullopt;
      if (event->type == YAML_SEQUENCE_END_EVENT) {
        if (result.flow) result.end = mark_of(event->end_mark);
        return result;
      }
      std::optional<Node> item = node(event, depth + 1);
      if (!item) return std::nullopt;
      result.end = item->end;
      result.items.push_back(std::move(*item));
    }
  }

  std::optional<Node> mapping(const Event& start, Node result, std::size_t depth) {
    const auto& facts = start->data.mapping_start;
    refuse_properties(result.mark, facts.anchor, facts.tag);
    result.kind = Node::Kind::mapping;
    result.flow = facts.style == YAML_FLOW_MAPPING_STYLE;
    while (true) {
      Event event;
      if (!next(event)) return std::nullopt;
      if (event->type == YAML_MAPPING_END_EVENT) {
        if (result.flow) result.end = mark_of(event->end_mark);
        return result;
      }
      std::optional<Node> key = node(event, depth + 1);
      if (!key) return std::nullopt;
      std::optional<Node> value = next_node(depth + 1);
      if (!value) return std::nullopt;
      result.end = value->end;
      add_member(result, std::move(*key), std::move(*value));
    }
  }

  void add_member(Node& mapping, Node key, Node value) {
    if (!key.is_scalar()) {
      if (key.kind != Node::Kind::refused) problems_.add(key.mark, "a key must be a single word");
      return;
    }
    const auto same = std::ranges::find_if(mapping.members, [&](const Member& m) { return m.key.text == key.text; });
    if (same != mapping.members.end()) {
      problems_.add(key.mark, "duplicate key " + quote(key.text) + ": it stands in line " +
                                  std::to_string(same->key.mark.line) + " already; keep one of them");
      return;
    }
    mapping.members.push_back({std::move(key), std::move(value)});
  }

  std::string_view text_;
  Problems& problems_;
  yaml_parser_t parser_{};
  bool initialized_ = false;
};

}  // namespace

std::optional<Node> parse(std::string_view text, Problems& problems) {
  if (text.size() > kMaxBytes) {
    problems.add({}, "larger than " + std::to_string(kMaxBytes) + " bytes");
    return std::nullopt;
  }
  return Builder(text, problems).document();
}

}  // namespace clawql::config::yaml
