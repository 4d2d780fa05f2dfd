"""The compiler of the SmartFrog language: from the texts of a description to a plain tree. Pure.

The way of a text: `lexer` (words), `parser` and `reading` (the tree as written, includes spliced in),
`prototypes` (type), `placement` (place), `construction` (function), `linking` (link, with `functions` and
`schemas`), `result` (compile). `compiler.compile` goes it; `printer` writes any stage down again. Nothing
here opens a file or asks the machine anything: texts, properties, time and chance are arguments, and `limits`
bound what a text may cost.
"""
