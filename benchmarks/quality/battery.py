"""What is asked for: prompts in plain words, with the ImageNet class that each of them names."""

PROMPTS = {
    "a goldfish": 1,
    "a bald eagle": 22,
    "a tree frog": 31,
    "a peacock": 84,
    "a jellyfish": 107,
    "a snail": 113,
    "a flamingo": 130,
    "a red fox": 277,
    "a tiger": 292,
    "a ladybug": 301,
    "a monarch butterfly": 323,
    "a zebra": 340,
    "a giant panda": 388,
    "a hot air balloon": 417,
    "a lighthouse": 437,
    "a castle on a hill": 483,
    "a school bus": 779,
    "a steam locomotive": 820,
    "a bowl of strawberries": 949,
    "a pineapple": 953,
    "a pizza": 963,
    "a coral reef": 973,
    "a volcano": 980,
    "a daisy": 985,
}
SEEDS = (1, 2)
