// Ops and their CPU kernels, registered with TensorFlow through its C API.
#ifndef KVD_OP_H_
#define KVD_OP_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

namespace kvd {

// Inputs and outputs of one run of a kernel; float32 but where said.
class Run {
 public:
  explicit Run(TF_OpKernelContext* context) : context_(context), inputs_(TF_NumInputs(context), nullptr) {}
  ~Run();
  Run(const Run&) = delete;

  int Inputs() const { return static_cast<int>(inputs_.size()); }
  const float* In(int index);
  // An input of int32.
  const int32_t* Integers(int index);
  int64_t Dim(int index, int axis);
  int64_t Size(int index);
  int Rank(int index);
  // Whether an input has this shape.
  bool Is(int index, std::initializer_list<int64_t> dims);
  // What KvdPack made of a matrix, or null where the input is one number.
  const float* Panels(int index);
  // An input that is written: whoever runs the op sees to it that nobody else reads that tensor's memory.
  float* InPlace(int index);
  // Allocates an output.
  float* Out(int index, std::initializer_list<int64_t> dims);
  // An output shaped as an input.
  float* OutLike(int index, int input);
  // Ends the run with an error, which the caller gets; no output is needed then.
  void Fail(const char* message);

 private:
  TF_Tensor* Input(int index);

  TF_OpKernelContext* context_;
  std::vector<TF_Tensor*> inputs_;
  std::vector<TF_Tensor*> outputs_;
};

// Attributes of an op, fixed when its kernel is made.
struct Attributes {
  float f[6] = {};
  int64_t i[3] = {};
};

struct OpSpec {
  const char* name;
  std::vector<const char*> inputs;
  std::vector<const char*> outputs;
  // Names of float and integer attributes, in the order of `Attributes`.
  std::vector<const char*> floats;
  std::vector<const char*> integers;
  void (*compute)(Run& run, const Attributes& attributes);
};

// Registers an op when it is constructed, which is when the addon is loaded.
struct Registered {
  explicit Registered(const OpSpec& spec);
};

}  // namespace kvd

#endif  // KVD_OP_H_
