#include "op.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace kvd {
namespace {

// What only programming errors can bring about ends the process, as TensorFlow's own checks do.
void Require(TF_Status* status, const char* what) {
  if (TF_GetCode(status) == TF_OK) return;
  std::fprintf(stderr, "kvd: %s: %s\n", what, TF_Message(status));
  std::abort();
}

struct Kernel {
  const OpSpec* spec;
  Attributes attributes;
};

// TF_KernelBuilder's functions know nothing of their op: each op has its own, by number.
constexpr int kMostOps = 40;
const OpSpec* specs[kMostOps];
int spec_count = 0;

void* Create(const OpSpec* spec, TF_OpKernelConstruction* construction) {
  TF_Status* status = TF_NewStatus();
  auto* kernel = new Kernel{spec, {}};
  int at = 0;
  for (const char* name : spec->floats)
    TF_OpKernelConstruction_GetAttrFloat(construction, name, &kernel->attributes.f[at++], status);
  at = 0;
  for (const char* name : spec->integers)
    TF_OpKernelConstruction_GetAttrInt64(construction, name, &kernel->attributes.i[at++], status);
  Require(status, spec->name);
  TF_DeleteStatus(status);
  return kernel;
}

template <int kNumber>
void* CreateNumbered(TF_OpKernelConstruction* construction) {
  return Create(specs[kNumber], construction);
}

void Compute(void* given, TF_OpKernelContext* context) {
  auto* kernel = static_cast<Kernel*>(given);
  Run run(context);
  kernel->spec->compute(run, kernel->attributes);
}

void Delete(void* given) { delete static_cast<Kernel*>(given); }

using CreateFunction = void* (*)(TF_OpKernelConstruction*);
template <int... kNumbers>
CreateFunction CreatorOf(int number, std::integer_sequence<int, kNumbers...>) {
  constexpr CreateFunction creators[] = {CreateNumbered<kNumbers>...};
  return creators[number];
}

void AnyShape(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}

}  // namespace

Run::~Run() {
  for (TF_Tensor* tensor : inputs_)
    if (tensor != nullptr) TF_DeleteTensor(tensor);
  for (TF_Tensor* tensor : outputs_) TF_DeleteTensor(tensor);
}

TF_Tensor* Run::Input(int index) {
  if (inputs_[index] == nullptr) {
    TF_Status* status = TF_NewStatus();
    TF_GetInput(context_, index, &inputs_[index], status);
    Require(status, "input");
    TF_DeleteStatus(status);
  }
  return inputs_[index];
}

const float* Run::In(int index) { return static_cast<const float*>(TF_TensorData(Input(index))); }

const int32_t* Run::Integers(int index) { return static_cast<const int32_t*>(TF_TensorData(Input(index))); }

int64_t Run::Dim(int index, int axis) { return TF_Dim(Input(index), axis); }

int64_t Run::Size(int index) { return TF_TensorElementCount(Input(index)); }

int Run::Rank(int index) { return TF_NumDims(Input(index)); }

bool Run::Is(int index, std::initializer_list<int64_t> dims) {
  if (Rank(index) != static_cast<int>(dims.size())) return false;
  int axis = 0;
  for (int64_t dim : dims)
    if (Dim(index, axis++) != dim) return false;
  return true;
}

const float* Run::Panels(int index) { return Size(index) == 1 ? nullptr : In(index); }

float* Run::InPlace(int index) { return const_cast<float*>(In(index)); }

void Run::Fail(const char* message) {
  TF_Status* status = TF_NewStatus();
  TF_SetStatus(status, TF_INVALID_ARGUMENT, message);
  TF_OpKernelContext_Failure(context_, status);
  TF_DeleteStatus(status);
}

float* Run::Out(int index, std::initializer_list<int64_t> dims) {
  int64_t size = 1;
  for (int64_t dim : dims) size *= dim;
  TF_Status* status = TF_NewStatus();
  TF_Tensor* tensor = TF_AllocateOutput(context_, index, TF_FLOAT, dims.begin(), static_cast<int>(dims.size()),
                                        size * sizeof(float), status);
  Require(status, "output");
  TF_DeleteStatus(status);
  outputs_.push_back(tensor);
  return static_cast<float*>(TF_TensorData(tensor));
}

float* Run::OutLike(int index, int input) {
  TF_Tensor* like = Input(input);
  std::vector<int64_t> dims;
  for (int axis = 0; axis < TF_NumDims(like); axis++) dims.push_back(TF_Dim(like, axis));
  TF_Status* status = TF_NewStatus();
  TF_Tensor* tensor = TF_AllocateOutput(context_, index, TF_FLOAT, dims.data(), static_cast<int>(dims.size()),
                                        TF_TensorByteSize(like), status);
  Require(status, "output");
  TF_DeleteStatus(status);
  outputs_.push_back(tensor);
  return static_cast<float*>(TF_TensorData(tensor));
}

Registered::Registered(const OpSpec& spec) {
  const auto* kept = new OpSpec(spec);
  if (spec_count == kMostOps) std::abort();
  specs[spec_count] = kept;
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder(spec.name);
  bool lists = false;
  for (const char* input : spec.inputs) {
    lists = lists || std::string(input).find('*') != std::string::npos;
    TF_OpDefinitionBuilderAddInput(op, input);
  }
  for (const char* output : spec.outputs) TF_OpDefinitionBuilderAddOutput(op, output);
  for (const char* name : spec.floats) TF_OpDefinitionBuilderAddAttr(op, (std::string(name) + ": float").c_str());
  for (const char* name : spec.integers) TF_OpDefinitionBuilderAddAttr(op, (std::string(name) + ": int").c_str());
  if (lists) TF_OpDefinitionBuilderAddAttr(op, "N: int >= 0");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, AnyShape);
  TF_RegisterOpDefinition(op, status);
  Require(status, spec.name);
  TF_KernelBuilder* builder =
      TF_NewKernelBuilder(spec.name, "CPU", CreatorOf(spec_count, std::make_integer_sequence<int, kMostOps>()),
                          Compute, Delete);
  TF_RegisterKernelBuilder(spec.name, builder, status);
  Require(status, spec.name);
  TF_DeleteStatus(status);
  spec_count += 1;
}

}  // namespace kvd
