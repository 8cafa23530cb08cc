"""The reference target: the ordering system's contract, as deployed or in the guide's form, on real servers.

`python -m prober.demo.target --config FILE`. A parent process (`parent`) accepts connections and deals them out
to worker processes (`worker`), each of which serves HTTP and takes jobs from the queue. What it did stands in
its own record (`record`), and faults can be planted in it (`faults`) through a control server (`control`).
With no fault planted it is correct: exactly one effect a message, exactly one winner an order. What differs
between its two forms (names, answers, tables) stands in `forms`, and nowhere else.
"""
