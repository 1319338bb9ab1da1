#include "textflag.h"

// Because assembly calls it, the compiler makes a wrapper that takes its arguments on the stack. Never run.
TEXT ·calls(SB), NOSPLIT, $256-0
	CALL ·called(SB)
	RET
