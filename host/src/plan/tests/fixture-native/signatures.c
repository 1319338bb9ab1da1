// Functions of many signatures, for what gcc says of where it has their parameters.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct small { int32_t a; int32_t b; };
struct item { int64_t id; const char *name; };
struct mixed { float a; float b; int32_t c; };
struct blend { int32_t a; float b; double c; };
struct twelve { int32_t a[3]; };
struct bytes { char text[11]; };
struct large { int64_t a, b, c; };
struct doubles { double a, b; };
struct floats { float a, b, c, d; };
struct vector { double a[4]; };
struct nested { struct small a; struct { float x; } b; };
struct __attribute__((packed)) packed { char a; int64_t b; };
struct quad { long double a; };
struct aligned { __int128 a; };
union either { double number; int64_t word; };
enum colour { RED, GREEN };
typedef struct item *handle;

#define USE __attribute__((noinline, noipa)) 
volatile const void *sink;

USE void integers(char a, unsigned short b, int c, long d, bool e, enum colour f, size_t g, int8_t h) {}
USE void pointers(void *a, const char *b, struct item *c, handle d, void (*e)(int)) {}
USE void numbers(int a, double b, float c, long d, double e) {}
USE void structs(struct small a, struct item b, int c, struct mixed d) {}
USE void blends(struct blend a, struct mixed b, union either c, struct nested d) {}
USE void arrays(struct twelve a, struct bytes b, int c) {}
USE void larges(int a, struct large b, int c, struct vector d, struct floats e) {}
USE void full(long a, long b, long c, long d, long e, struct item f, long g, char h, struct small i) {}
USE void tails(long a, long b, long c, long d, long e, long f, long g, long h, char i, short j, struct item k, int l) {}
USE void wides(int a, __int128 b, struct aligned c, int d, __int128 e, int f) {}
USE void packs(struct packed a, int b, long double c, int d) {}
USE void manyLarge(struct large a, struct large b, struct large c, struct large d, struct large e, int f) {}
USE void homogeneous(struct doubles a, struct floats b, struct doubles c, struct doubles d, float e, int f) {}
USE void complexes(double _Complex a, float _Complex b, int c) {}
USE void variadic(const char *format, int a, ...) {}

int main(void) {
	struct large l = {0};
	struct item i = {0};
	struct small s = {0};
	struct doubles d = {0};
	struct floats f = {0};
	integers(1, 2, 3, 4, true, GREEN, 5, 6);
	pointers(0, 0, 0, 0, 0);
	numbers(1, 2, 3, 4, 5);
	structs(s, i, 1, (struct mixed){0});
	blends((struct blend){0}, (struct mixed){0}, (union either){0}, (struct nested){0});
	arrays((struct twelve){0}, (struct bytes){0}, 1);
	larges(1, l, 2, (struct vector){0}, f);
	full(1, 2, 3, 4, 5, i, 6, 7, s);
	tails(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, i, 11);
	wides(1, 2, (struct aligned){0}, 3, 4, 5);
	packs((struct packed){0}, 1, 2, 3);
	manyLarge(l, l, l, l, l, 1);
	homogeneous(d, f, d, d, 1, 2);
	complexes(1, 2, 3);
	variadic("", 1, 2);
}
