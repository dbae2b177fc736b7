"""The migration dossier: one HTML file that holds what a decision rests on, to read and to sign.

It asks for nothing from anywhere: styles and figures are in it, and no script. Every figure
in it names where it was read (`data-from`), and is read there by a test. The same store gives
the same bytes.
"""
