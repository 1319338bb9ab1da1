// What a C compiler lays out, and says of it by itself: one line a member, `type|member|offset`, and `type|size`.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum { SMALL, LARGE } size_class;
enum balance { DEBT = -1, EVEN, CREDIT };

struct other;

struct item {
    char tag;
    struct {
        int16_t width;
        union {
            uint32_t number;
            char letters[4];
        };
    };
    double grid[2][3];
    const volatile uint64_t *link;
    struct other *unknown;
    int (*call)(int);
    size_class class;
    enum balance balance;
    uint32_t low : 3, : 2, middle : 7;
    int64_t wide : 40;
    _Bool flag : 1;
    long double precise;
    unsigned char rest[];
};

typedef struct { struct item first; int *last; } pair_t;
union both { int64_t whole; struct { int32_t low, high; } halves; };
struct other { struct item *back; pair_t pair; };

struct item item;
pair_t pair;
union both both;
struct other other;

#define AT(type, member) printf(#type "|" #member "|%zu\n", offsetof(type, member))
#define SIZE(type) printf(#type "|%zu\n", sizeof(type))

int main(void) {
    AT(struct item, tag); AT(struct item, width); AT(struct item, number); AT(struct item, letters);
    AT(struct item, grid); AT(struct item, link); AT(struct item, unknown); AT(struct item, call);
    AT(struct item, class); AT(struct item, balance); AT(struct item, precise); AT(struct item, rest);
    SIZE(struct item);
    AT(pair_t, first); AT(pair_t, last); SIZE(pair_t);
    AT(union both, whole); AT(union both, halves); SIZE(union both);
    AT(struct other, back); AT(struct other, pair); SIZE(struct other);
    // Which bits a bit field has: set them all, and see.
    static union { struct item item; uint8_t bytes[sizeof(struct item)]; } bits;
    #define BITS(member, ...) \
        bits.item.member = __VA_ARGS__; \
        for (size_t at = 0, found = 0; at < 8 * sizeof bits; at++) \
            if (bits.bytes[at / 8] >> at % 8 & 1) { if (!found++) printf("struct item|" #member "|bit %zu\n", at); } \
        bits.item.member = 0;
    BITS(low, 7) BITS(middle, 127) BITS(wide, -1) BITS(flag, 1)
    return 0;
}
