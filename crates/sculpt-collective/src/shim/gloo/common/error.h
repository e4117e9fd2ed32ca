// libtorch has gloo in it and not gloo's headers: what ProcessGroupGloo.hpp names of them is declared in this folder, as far as it
// takes to name it.
#pragma once
