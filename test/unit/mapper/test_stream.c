/* Tests of mapper/mapper.h, one promise each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

int main(void)
{
	return 0;
}
