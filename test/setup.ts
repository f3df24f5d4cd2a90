/** Runs before each test file: no colours, no log of the native library. */
process.env.NO_COLOR = '1';
process.env.TF_CPP_MIN_LOG_LEVEL = '3';
