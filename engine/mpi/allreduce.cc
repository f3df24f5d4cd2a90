// The part of MPI that data-parallel training needs, for Node: who we are, sums over all ranks, and the end.
#include <mpi.h>
#include <node_api.h>

#define CHECK(call, what)                           \
  if ((call) != MPI_SUCCESS) {                      \
    napi_throw_error(env, "MPI", what);             \
    return nullptr;                                 \
  }

static napi_value Number(napi_env env, int value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

// start(): { rank, size }
static napi_value Start(napi_env env, napi_callback_info) {
  int ready = 0, rank = 0, size = 1;
  MPI_Initialized(&ready);
  if (!ready) CHECK(MPI_Init(nullptr, nullptr), "MPI_Init failed")
  CHECK(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank failed")
  CHECK(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size failed")
  napi_value result;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "rank", Number(env, rank));
  napi_set_named_property(env, result, "size", Number(env, size));
  return result;
}

// sum(Float32Array): in place, over all ranks; every rank gets the same bits
static napi_value Sum(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value array;
  napi_typedarray_type type;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &array, nullptr, nullptr);
  if (count < 1 || napi_get_typedarray_info(env, array, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_float32_array) {
    napi_throw_type_error(env, "MPI", "a Float32Array is wanted");
    return nullptr;
  }
  // Counts are ints in MPI: longer arrays go in pieces.
  const size_t most = 1 << 28;
  float* values = static_cast<float*>(data);
  for (size_t done = 0; done < length; done += most) {
    const int piece = static_cast<int>(length - done < most ? length - done : most);
    CHECK(MPI_Allreduce(MPI_IN_PLACE, values + done, piece, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD),
          "MPI_Allreduce failed")
  }
  return nullptr;
}

// finish(): leaves the job in good order, once every rank does
static napi_value Finish(napi_env env, napi_callback_info) {
  CHECK(MPI_Finalize(), "MPI_Finalize failed")
  return nullptr;
}

// abort(): ends every rank, since one alone cannot go on
static napi_value Abort(napi_env, napi_callback_info) {
  MPI_Abort(MPI_COMM_WORLD, 1);
  return nullptr;
}

static napi_value Init(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"start", Start}, {"sum", Sum}, {"finish", Finish}, {"abort", Abort}};
  for (const auto& function : functions) {
    napi_value value;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.call, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
