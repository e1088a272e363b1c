"""Makes the data of `spam` and `customers` again: every line is put together here, none is anybody's."""

import csv
import random
from pathlib import Path

HERE = Path(__file__).parent
MESSAGES, CUSTOMERS = 600, 400

OPENINGS = {
    "legitimate": ["Hi {name},", "Good morning {name},", "{name},", "Dear {name},", "Hello again,", "Hi all,"],
    "spam": ["Dear winner,", "Hello friend,", "Dear {name},", "Attention!", "Hi {name},", "Valued customer,"],
}
MIDDLES = {
    "legitimate": [
        "the meeting about the {thing} has moved to {day} at {hour}",
        "could you look over the {thing} before {day}",
        "I put the {thing} on the shared drive last {day}",
        "thank you for the {thing}, it arrived on {day}",
        "we are {number} people for lunch on {day}, is the usual place free",
        "the invoice for the {thing} is attached, it is due on {day}",
        "your parcel with the {thing} comes on {day} between {hour} and noon",
        "the prize for the best {thing} goes to your group, congratulations",
    ],
    "spam": [
        "you have won {number} dollars and a free {luxury}",
        "claim your free {luxury} now, only {number} left",
        "cheap {luxury} without prescription, order before {day}",
        "make {number} dollars a week from home, no questions asked",
        "your account will be closed on {day}, confirm your password at once",
        "a prince has left {number} dollars and needs your account to move them",
        "meet singles near you this {day}, it is free",
        "the invoice for your {luxury} is overdue, pay {number} dollars now",
    ],
}
CLOSINGS = {
    "legitimate": [
        "Best, {name}",
        "See you on {day}.",
        "Thanks!",
        "Call me if it does not fit.",
        "",
        "Regards, {name}",
    ],
    "spam": ["Click here!!!", "Act now.", "Offer ends on {day}.", "Reply with your address.", "", "100% guaranteed"],
}
WORDS = {
    "name": ["Ana", "Ben", "Chiara", "Dmitri", "Esra", "Frédéric", "Grace", "Hiro", "Ines", "Jürgen"],
    "thing": ["report", "budget", "garden plan", "translation", "bicycle", "slides", "contract", "cake", "data set"],
    "luxury": ["watch", "cruise", "phone", "diet pill", "casino bonus", "loan", "handbag", "miracle cream"],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
    "hour": ["nine", "ten", "half past ten", "two", "four"],
    "number": ["three", "12", "50", "400", "5000", "1,000,000"],
}
# Yearly income in thousands, visits a month, basket in euros, years as a customer; and how many of 100 are like that.
KINDS = [((28, 9, 18, 2), 30), ((45, 2, 95, 6), 25), ((70, 5, 60, 11), 20), ((33, 1, 25, 1), 15), ((95, 8, 140, 8), 10)]


def main() -> None:
    chance = random.Random(20181011)
    rows = [message(chance, chance.choice(["legitimate", "legitimate", "spam"])) for _ in range(MESSAGES)]
    write("spam/data/messages.csv", ["label", "text"], rows)
    kinds, shares = zip(*KINDS, strict=True)
    people = [customer(chance, kind) for kind in chance.choices(kinds, shares, k=CUSTOMERS)]
    write("customers/data/customers.csv", ["income", "visits", "basket", "years"], people)


def message(chance: random.Random, label: str) -> list[str]:
    # One in twenty is told in the other's words, as life is.
    style = label if chance.random() > 0.05 else {"legitimate": "spam", "spam": "legitimate"}[label]
    parts = [chance.choice(OPENINGS[style])]
    parts += [f"{text}." for text in chance.sample(MIDDLES[style], chance.choice([1, 1, 2]))]
    parts.append(chance.choice(CLOSINGS[style]))
    text = " ".join(part for part in parts if part)
    return [label, text.format_map({name: chance.choice(words) for name, words in WORDS.items()})]


def customer(chance: random.Random, kind: tuple[float, ...]) -> list[float]:
    return [round(max(0.0, chance.gauss(middle, middle * 0.18)), 1) for middle in kind]


def write(name: str, head: list[str], rows: list[list[object]]) -> None:
    with (HERE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([head, *rows])


if __name__ == "__main__":
    main()
