"""How large a spec may be. Specs are untrusted: whatever they say, an answer comes in bounded time and memory."""

MAX_TEXT = 32 * 2**20  # bytes of one file
MAX_NESTING = 64  # levels of YAML
MAX_PROBLEMS = 200  # told at once; who has more mends these first
MAX_ALIASED = 20_000  # YAML nodes that aliases may stand for, all together
MAX_EXTENDS = 32  # files in a chain of `extends`
MAX_EXPRESSION = 500  # characters
MAX_EXPRESSION_DEPTH = 40
MAX_NUMBER = 10**15  # magnitude of any number
MAX_LIST = 10_000  # entries of a list, those of lists within it included
MAX_DIGITS = 15  # that round() keeps
MAX_COST = 10**15  # parameters, multiply-accumulates or output numbers of one operator
MAX_RULED = 5_000  # blocks that a rule may place skips over
MAX_OPERATORS = 200_000  # of one network: 20 times the 3002-layer net
MAX_OPERANDS = 1_000_000  # edges of one network
MAX_UNROLLED = 800_000  # items of paths that `use` and `each` lead to, switched-off ones included
MAX_PATH_DEPTH = 32  # `use` within `use`
