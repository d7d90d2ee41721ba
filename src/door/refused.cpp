#include "door/refused.hpp"

namespace clawql::door {

std::string remedy(const Refused& refused) {
  if (refused.list == nullptr) return {};
  if (refused.reason == base::Reason::host_not_allowed) return refused.list->line_for_host(refused.offered);
  if (refused.reason == base::Reason::origin_not_allowed) return refused.list->line_for_origin(refused.offered);
  return {};
}

}  // namespace clawql::door
