"""Pools: what descriptions say is to be there, planned and led through its life. Pure.

`kinds` says what each kind of component is given and what a change of it means; `checking` holds
descriptions to that; `tree` puts components into their order; `plan` compares them with what is deployed;
`lifecycle` leads a tree through its life, event by event; `chunks` is the shape in which records keep it.
"""
