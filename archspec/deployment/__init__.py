"""How networks leave: as ONNX, as torch's exported programs, as compiled libraries, as Python, as weights alone."""
