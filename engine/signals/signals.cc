// Signals that come while JavaScript computes: Node's own handlers wait for the loop's next turn, this one does not.
#include <csignal>
#include <node_api.h>

namespace {

volatile sig_atomic_t watching = 0;
volatile sig_atomic_t seen = 0;
// What libuv does with each signal.
struct sigaction others[NSIG];

// Counts, and hands the signal on to Node; the second ends the process at once.
void OnSignal(int number) {
  if (watching) {
    if (seen > 0) {
      struct sigaction end = {};
      end.sa_handler = SIG_DFL;
      sigaction(number, &end, nullptr);
      raise(number);
      return;
    }
    seen = 1;
  }
  const auto handler = others[number].sa_handler;
  if (handler != SIG_DFL && handler != SIG_IGN) handler(number);
}

bool IsOurs(int number, struct sigaction* action) {
  sigaction(number, nullptr, action);
  return action->sa_handler == OnSignal;
}

template <typename Each>
void ForEach(napi_env env, napi_callback_info info, Each each) {
  size_t count = 1;
  napi_value list;
  uint32_t length = 0;
  napi_get_cb_info(env, info, &count, &list, nullptr, nullptr);
  if (napi_get_array_length(env, list, &length) != napi_ok) return;
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    int number = 0;
    napi_get_element(env, list, i, &element);
    if (napi_get_value_int32(env, element, &number) == napi_ok && number > 0 && number < NSIG) each(number);
  }
}

// watch(numbers): from now on; Node must have handlers of its own for these signals
napi_value Watch(napi_env env, napi_callback_info info) {
  seen = 0;
  ForEach(env, info, [](int number) {
    struct sigaction action;
    if (IsOurs(number, &action)) return;
    others[number] = action;
    action.sa_handler = OnSignal;
    sigaction(number, &action, nullptr);
  });
  watching = 1;
  return nullptr;
}

// unwatch(numbers): Node's handlers stand alone again
napi_value Unwatch(napi_env env, napi_callback_info info) {
  watching = 0;
  ForEach(env, info, [](int number) {
    struct sigaction action;
    if (IsOurs(number, &action)) sigaction(number, &others[number], nullptr);
  });
  return nullptr;
}

// seen(): whether one has come since `watch`
napi_value Seen(napi_env env, napi_callback_info) {
  napi_value result;
  napi_get_boolean(env, seen > 0, &result);
  return result;
}

napi_value Init(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"watch", Watch}, {"unwatch", Unwatch}, {"seen", Seen}};
  for (const auto& function : functions) {
    napi_value value;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.call, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
