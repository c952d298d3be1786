"""OpenAI-compatible servers (vLLM, SGLang, llama.cpp, hosted ones), asked many questions at once."""
