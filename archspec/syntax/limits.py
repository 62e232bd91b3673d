"""How large a spec may be. Specs are untrusted: whatever they say, an answer comes in bounded time and memory."""

MAX_WORK = 40_000_000  # steps, some ten million a second, of all that one spec asks for: read, merge, evaluate, place
MAX_TEXT = 32 * 2**20  # bytes of one file
MAX_NESTING = 64  # levels of YAML
MAX_PROBLEMS = 200  # told at once; who has more mends these first
MAX_EXTENDS = 32  # files to which `extends` leads, the spec's own included
MAX_EXPRESSION = 500  # characters
MAX_EXPRESSION_DEPTH = 40
MAX_NUMBER = 10**15  # magnitude of any number
MAX_LIST = 10_000  # entries of a list, those of lists within it included
MAX_DIGITS = 15  # that round() keeps
MAX_COST = 10**15  # parameters, multiply-accumulates or output numbers of one operator
MAX_OPERATORS = 200_000  # of one network: 20 times the 3002-layer net
MAX_PATH_DEPTH = 32  # `use` within `use`
MAX_FIGURE = 40  # characters of a claimed or reported figure
MAX_ADDRESS = 300  # characters of an address
